"""Run as a program: what Spark says of the Delta table and the export of a folder, as a line of JSON. It starts Spark once."""

from __future__ import annotations

import json
import sys

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

SUMS = ("CAST(sum(cost_usd) AS STRING)", "CAST(count(*) AS STRING)", "CAST(count(DISTINCT entry_number) AS STRING)")


def sums(rows: DataFrame) -> list[str]:
    return list(rows.selectExpr(*SUMS).first() or ())


def plain_folder(spark: SparkSession, folder: str) -> str:
    try:
        return f"{spark.read.parquet(folder).count()} rows"
    except AnalysisException as error:
        return str(error.getErrorClass() or error.getCondition())


def stream(spark: SparkSession, table: str, scratch: str) -> list[str]:
    """What somebody has got who has read the table as it grew, version by version."""
    query = (
        spark.readStream.format("delta")
        .option("startingVersion", "0")
        .load(table)
        .writeStream.format("memory")
        .queryName("seen")
        .option("checkpointLocation", scratch)
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    return sums(spark.table("seen"))


def main(jars: str, ledger: str, exported: str, scratch: str) -> None:
    settings = {
        "spark.jars": jars,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": f"{scratch}/warehouse",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    table = f"{ledger}/events"
    rows = spark.read.format("delta").load(table)
    found = {
        "delta": sums(rows),
        "delta of a day": sums(rows.where("event_date = DATE'2026-11-22'")),
        "delta before": sums(spark.read.format("delta").option("versionAsOf", 0).load(table)),
        "delta as it grows": stream(spark, table, f"{scratch}/stream"),
        "lines": list(rows.selectExpr("explode(lines) AS line").selectExpr("CAST(sum(line.cost_usd) AS STRING)").first() or ()),
        "export": sums(spark.read.parquet(f"{exported}/events")),
        "folder": plain_folder(spark, table),
    }
    spark.stop()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
