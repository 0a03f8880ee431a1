"""Settings: defaults, file, environment, options in that order, each value with its source, every mistake one clear line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from spanledger.cli.errors import UsageMistake
from spanledger.cli.settings import environment_layers, file_layer, from_environment, load, option_layer, to_toml, toml_value


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: str
    weight: int = 1


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    http: str = "127.0.0.1:4318"
    port: int = Field(4317, ge=0, le=65535)
    names: list[str] = []
    rules: list[Rule] = []
    limits: dict[str, int] = {}
    password: SecretStr = SecretStr("")
    note: str | None = None


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    part: Part = Part()


def test_later_layers_win_and_sources_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[part]\nhttp = "a:1"\nport = 1\nnames = ["x"]\n')
    monkeypatch.setenv("SPANLEDGER_PART__PORT", "2")
    monkeypatch.setenv("SPANLEDGER_PART__NAMES", '["y", "z"]')
    monkeypatch.setenv("SPANLEDGER_DATA", "not a setting")
    loaded = from_environment(Model, path, [option_layer("part.http", "b:2", "--http")])
    assert loaded.config.part == Part(http="b:2", port=2, names=["y", "z"])
    assert loaded.sources == {
        ("part", "http"): "option --http",
        ("part", "port"): "env SPANLEDGER_PART__PORT",
        ("part", "names"): "env SPANLEDGER_PART__NAMES",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[part]\nhtp = 1\n",
            "part.htp: no such setting; did you mean http? allowed: http, limits, names, note, password, port, rules (file",
        ),
        ("[part]\nport = 'x'\n", "part.port: input should be a valid integer, unable to parse string as an integer, got 'x' (file"),
        ("[part]\nport = 70000\n", "part.port: input should be less than or equal to 65535, got 70000 (file"),
        ("[prt]\n", "prt: no such setting; did you mean part? allowed: part"),
        (
            "[[part.rules]]\nkey = 'a'\nwieght = 2\n",
            "part.rules.0.wieght: no such setting; did you mean weight? allowed: key, weight (file",
        ),
        ("part = 3\n", "part: input should be a valid dictionary or instance of Part, got 3 (file"),
        ("[part]\npassword = 7\n", "part.password: input should be a valid string (file"),
    ],
)
def test_a_mistake_names_the_key_and_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(UsageMistake) as caught:
        load(Model, [file_layer(path)])
    assert str(caught.value).startswith(f"configuration: {said}")
    assert "\n" not in str(caught.value)


def test_many_mistakes_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("".join(f"x{n} = 1\n" for n in range(9)))
    with pytest.raises(UsageMistake, match=r"and 6 more$"):
        load(Model, [file_layer(path)])


@pytest.mark.parametrize(("content", "said"), [(b"a = ", "not valid TOML"), (b"\xff\xfe", "not UTF-8")])
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(UsageMistake, match=said):
        file_layer(path)
    with pytest.raises(UsageMistake, match="cannot be read"):
        file_layer(tmp_path / "missing.toml")


def test_environment_mistakes() -> None:
    with pytest.raises(UsageMistake, match="SPANLEDGER_PART__NAMES is not a TOML array"):
        list(environment_layers({"SPANLEDGER_PART__NAMES": "[1"}))
    with pytest.raises(UsageMistake, match="names no setting"):
        list(environment_layers({"SPANLEDGER_PART__": "1"}))
    with pytest.raises(UsageMistake, match=r"part\.prot: no such setting; did you mean port\?.*\(env SPANLEDGER_PART__PROT\)"):
        load(Model, list(environment_layers({"SPANLEDGER_PART__PROT": "1"})))


def test_the_effective_configuration_is_a_valid_file_with_sources_and_no_secrets(tmp_path: Path) -> None:
    layer = option_layer("part", {"password": "hunter2", "rules": [{"key": 'a"\n'}], "limits": {"a b": 1}}, "--x")
    text = to_toml(load(Model, [layer]))
    assert "hunter2" not in text
    assert 'password = "********"  # option --x' in text
    assert 'http = "127.0.0.1:4318"  # default' in text
    assert "# note is not set  # default" in text
    again = tomllib.loads(text)["part"]
    assert again["rules"] == [{"key": 'a"\n', "weight": 1}]
    assert again["limits"] == {"a b": 1}


def test_toml_values() -> None:
    assert toml_value(True) == "true"
    assert toml_value({}) == "{}"
    assert toml_value(frozenset({"b", "a"})) == '["a", "b"]'
    assert tomllib.loads(f"v = {toml_value({'x': [1, 2.5, 'é']})}") == {"v": {"x": [1, 2.5, "é"]}}
