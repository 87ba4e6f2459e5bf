// The other end of a QUIC session, by quiche (the npm package @matrixai/quic).
//
//   node quiche_peer.mjs MODULES serve   KEY=VALUE...   prints "port N", serves one session
//   node quiche_peer.mjs MODULES connect KEY=VALUE...   port=N, trust=FILE: who may sign the other end's certificate
//
// MODULES is the folder with `node_modules`. Keys of both: folder=DIR with certificate.pem and key.pem; streams=N and
// bytes=N: its own streams, which have to come back as they left; serve=N: how many of the other end's it sends back
// before it closes; close=CODE: it closes then, with that code; without it the other end does.
//
// Prints "streams N" when its own have come back, and "end ..." with what quiche says of the end of the session.
// Exits with 0 if nothing else went wrong; with 1 and "refused ..." if there was no session.

import { createHmac, randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const PATIENCE_MS = 60_000;
const [modules, role, ...pairs] = process.argv.slice(2);
const options = Object.fromEntries(pairs.map((pair) => pair.split("=")));
const number = (key) => Number(options[key] ?? 0);
const load = (name) => readFileSync(`${options.folder}/${name}`, "utf8");
const from = (name) => import(pathToFileURL(`${modules}/node_modules/@matrixai/${name}/dist/index.js`));

const quic = await from("quic");
const { default: Logger, LogLevel } = await from("logger");
const logger = new Logger("quiche", LogLevel.ERROR, []);

const config = {
  applicationProtos: ["faultline"],
  maxIdleTimeout: 30_000,
  initialMaxStreamsBidi: 100,
};
const hmac = (key, data) => createHmac("sha256", Buffer.from(key)).update(Buffer.from(data)).digest();
const serverCrypto = {
  key: randomFillSync(new Uint8Array(32)).buffer,
  ops: {
    sign: async (key, data) => new Uint8Array(hmac(key, data)).buffer,
    verify: async (key, data, signature) => hmac(key, data).equals(Buffer.from(signature)),
  },
};
const clientCrypto = {
  ops: {
    randomBytes: async (data) => void randomFillSync(new Uint8Array(data)),
  },
};

function pattern(which) {
  const bytes = Buffer.alloc(number("bytes"));
  for (let i = 0; i < bytes.length; ++i) bytes[i] = (i * 37 + which * 11) >> 4;
  return bytes;
}

async function writeAll(stream, bytes) {
  const writer = stream.writable.getWriter();
  for (let at = 0; at < bytes.length; at += 10_000) await writer.write(bytes.subarray(at, at + 10_000));
  await writer.close();
}

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream.readable) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function sendBack(stream) {
  const writer = stream.writable.getWriter();
  for await (const chunk of stream.readable) await writer.write(Buffer.from(chunk));
  await writer.close();
}

async function openOne(connection, which) {
  const stream = connection.newStream();
  const bytes = pattern(which);
  const [, got] = await Promise.all([writeAll(stream, bytes), readAll(stream)]);
  if (!got.equals(bytes)) throw new Error(`stream ${which}: other bytes came back`);
}

async function talk(connection) {
  const served = [];
  let enough;
  const servedEnough = new Promise((resolve) => (enough = resolve));
  const ended = new Promise((resolve) =>
    connection.addEventListener(quic.events.EventQUICConnectionClose.name, (event) => resolve(event.detail)),
  );
  connection.addEventListener(quic.events.EventQUICConnectionStream.name, (event) => {
    served.push(sendBack(event.detail));
    if (served.length === number("serve")) enough();
  });
  if (number("serve") === 0) enough();
  await Promise.all(Array.from({ length: number("streams") }, (_, which) => openOne(connection, which)));
  console.log(`streams ${number("streams")}`);
  if ("close" in options) {
    await servedEnough;
    await Promise.all(served);
    await connection.stop({ isApp: true, errorCode: number("close"), reason: Buffer.from("as it was told to") });
  }
  const end = await ended;
  console.log(`end ${end.name} ${JSON.stringify({ ...end.data, reason: String(Buffer.from(end.data?.reason ?? "")) })}`);
}

async function serve() {
  const server = new quic.QUICServer({
    crypto: serverCrypto,
    config: { ...config, key: load("key.pem"), cert: load("certificate.pem"), verifyPeer: false },
    logger,
  });
  const first = new Promise((resolve) =>
    server.addEventListener(quic.events.EventQUICServerConnection.name, (event) => resolve(talk(event.detail))),
  );
  await server.start({ host: "127.0.0.1", port: 0 });
  console.log(`port ${server.port}`);
  await first;
  await server.stop({ force: true });
}

async function connect() {
  const client = await quic.QUICClient.createQUICClient({
    host: "127.0.0.1",
    port: number("port"),
    serverName: options.name ?? "quic.test",
    localHost: "127.0.0.1",
    crypto: clientCrypto,
    config: { ...config, ca: load(options.trust), verifyPeer: true },
    logger,
  });
  await talk(client.connection);
  await client.destroy({ force: true });
}

setTimeout(() => {
  console.log("refused: nothing happened for a minute");
  process.exit(1);
}, PATIENCE_MS);
try {
  await (role === "serve" ? serve() : connect());
} catch (error) {
  console.log(`refused ${error.name}: ${error.message} ${JSON.stringify(error.data ?? {})}`);
  process.exit(1);
}
process.exit(0);
