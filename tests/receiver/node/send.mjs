// Sends calls with the OpenTelemetry SDK for JavaScript, one exporter of the three, as an application has it; prints what it saw.
//   node send.mjs KIND ENDPOINT COMPRESSION KEY COUNT FIRST
import { createRequire } from 'node:module';
const require = createRequire(process.env.SPANLEDGER_NODE_MODULES + '/');
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { diag, DiagLogLevel, SpanKind } = require('@opentelemetry/api');

const [kind, endpoint, compression, key, count, first] = process.argv.slice(2);
const seen = [];
const note = (level) => (...told) => seen.push([level, ...told.map(String)].join(' '));
diag.setLogger({ error: note('error'), warn: note('warn'), info: () => {}, debug: () => {}, verbose: () => {} }, DiagLogLevel.WARN);

const options = { url: endpoint, compression, timeoutMillis: 20000, concurrencyLimit: 1000 };
let Exporter;
if (kind === 'grpc') {
  const { Metadata, credentials } = require('@grpc/grpc-js');
  const metadata = new Metadata();
  if (key) metadata.set('x-api-key', key);
  Object.assign(options, { metadata, credentials: credentials.createInsecure() });
  Exporter = require('@opentelemetry/exporter-trace-otlp-grpc').OTLPTraceExporter;
} else {
  options.headers = key ? { authorization: `Bearer ${key}` } : {};
  Exporter = require(`@opentelemetry/exporter-trace-otlp-${kind}`).OTLPTraceExporter;
}
const processor = new BatchSpanProcessor(new Exporter(options), { maxExportBatchSize: 20, scheduledDelayMillis: 100, maxQueueSize: 100000 });
const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('test.scope', '1.0');
for (let n = Number(first); n < Number(first) + Number(count); n++) {
  const span = tracer.startSpan('chat gpt-4o', { kind: SpanKind.CLIENT });
  span.setAttribute('gen_ai.request.model', 'gpt-4o');
  span.setAttribute('gen_ai.usage.input_tokens', n);
  span.setAttribute('gen_ai.prompt', 'Meet me at midnight');
  span.addEvent('gen_ai.content.prompt', { 'gen_ai.prompt': 'Meet me at midnight' });
  span.end();
  if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
}
await processor.forceFlush().catch((error) => seen.push(`flush ${error}`));
await processor.shutdown().catch((error) => seen.push(`shutdown ${error}`));
console.log(JSON.stringify(seen));
