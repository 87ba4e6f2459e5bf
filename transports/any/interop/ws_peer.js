// The other end of a WebSocket connection, by Node.js and `ws`.
//
//     ws_peer.js WS serve SCHEME FOLDER          prints its port; sends back every message of one connection, some
//                                                in fragments with pings between
//     ws_peer.js WS connect URL FOLDER           sends the messages in FOLDER whole and in fragments, with pings
//                                                between; wants them back each time; then closes with 1000
//     ws_peer.js WS text URL FOLDER              sends text; wants to be closed with 1003
//     ws_peer.js WS large URL FOLDER             sends more than 1 MiB; wants to be closed with 1009
//
// WS: the folder of the package. FOLDER: certificate.pem, key.pem, small, large.

'use strict';

const assert = require('assert');
const fs = require('fs');
const http = require('http');
const https = require('https');
const path = require('path');

const [library, role, target, folder] = process.argv.slice(2);
const WebSocket = require(path.resolve(library));

const ROUNDS = 60;
const read = (name) => fs.readFileSync(path.join(folder, name));
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

// In fragments of `size` bytes, a ping after each but the last.
function sendInFragments(socket, message, size) {
  for (let at = 0; at < message.length; at += size) {
    const last = at + size >= message.length;
    socket.send(message.subarray(at, at + size), {binary: true, compress: false, fin: last});
    if (!last) socket.ping(String(at));
  }
}

async function serve() {
  const secure = {cert: read('certificate.pem'), key: read('key.pem')};
  const server = target === 'wss' ? https.createServer(secure) : http.createServer();
  const sockets = new WebSocket.WebSocketServer({server, perMessageDeflate: true});
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  const socket = await once(sockets, 'connection');
  assert.strictEqual(socket.extensions, '');
  let count = 0;
  let pongs = 0;
  socket.on('pong', () => ++pongs);
  socket.on('message', (message, isBinary) => {
    assert(isBinary, 'a text message');
    count += 1;
    if (count % 3 === 0) {
      sendInFragments(socket, message, 1000);
    } else {
      socket.send(message, {binary: true});
    }
  });
  const code = await once(socket, 'close');
  server.close();
  assert.strictEqual(code, 1000);
  assert(count > 0 && pongs > 0, `${count} messages, ${pongs} pongs`);
}

function open() {
  return new WebSocket(target, {ca: read('certificate.pem'), origin: 'http://localhost'});
}

async function connect() {
  const socket = open();
  await once(socket, 'open');
  assert.strictEqual(socket.extensions, '');  // offered, and not taken
  const pongs = [];
  socket.on('pong', (payload) => pongs.push(payload.toString()));
  for (let turn = 0; turn < ROUNDS; ++turn) {
    const message = read(turn % 4 === 0 ? 'large' : 'small');
    const answer = once(socket, 'message');
    if (turn % 2 === 1) {
      sendInFragments(socket, message, 1 + turn * 7);
    } else {
      socket.send(message);
    }
    if (turn % 7 === 0) socket.ping(`ping ${turn}`);
    assert(message.equals(await answer), 'another message came back');
  }
  const closed = once(socket, 'close');
  socket.close(1000, 'done');
  assert.strictEqual(await closed, 1000);
  assert(pongs.includes('ping 0') && pongs.includes('ping 56'), `pongs: ${pongs}`);
}

async function expectClose(payload, code) {
  const socket = open();
  await once(socket, 'open');
  const closed = once(socket, 'close');
  socket.send(payload);
  assert.strictEqual(await closed, code);
}

const roles = {
  serve,
  connect,
  text: () => expectClose('hello', 1003),
  large: () => expectClose(Buffer.alloc(2 << 20), 1009),
};

setTimeout(() => {
  console.error('not done in time');
  process.exit(1);
}, 60000).unref();
roles[role]().catch((error) => {
  console.error(error);
  process.exit(1);
});
