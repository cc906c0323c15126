// Node's ws as a client: node ws_client.js URL SCENARIO. What is not as it should be ends it with an assertion.
'use strict';
const assert = require('node:assert');
const crypto = require('node:crypto');
const { once } = require('node:events');
const WebSocket = require('ws');

const [url, scenario] = process.argv.slice(2);
const PATIENCE = 60_000; // milliseconds

async function open(options = {}, protocols = []) {
  const socket = new WebSocket(url, protocols, options);
  socket.setMaxListeners(0);
  socket.inbox = [];
  socket.readers = [];
  socket.on('message', (data, binary) => {
    const message = binary ? data : data.toString();
    const reader = socket.readers.shift();
    if (reader) reader(message);
    else socket.inbox.push(message);
  });
  await once(socket, 'open');
  return socket;
}

function receive(socket) {
  if (socket.inbox.length) return socket.inbox.shift();
  return new Promise((resolve, reject) => {
    socket.readers.push(resolve);
    socket.once('close', (code) => reject(new Error(`closed with ${code}`)));
  });
}

async function echoed(socket, ...messages) {
  for (const message of messages) {
    socket.send(message);
    assert.deepStrictEqual(await receive(socket), message);
  }
}

async function close(socket, code, reason) {
  const closed = once(socket, 'close');
  socket.close(code, reason);
  const [answer] = await closed;
  assert.strictEqual(answer, code ?? 1005);
}

const scenarios = {
  async echo() {
    const socket = await open({ perMessageDeflate: false });
    assert.strictEqual(socket.extensions, '');
    await echoed(socket, 'hello', '', Buffer.from([0, 255, 1]), Buffer.alloc(0), 'µ@ßöäüàá \u{10ffff}', 'x'.repeat(70_000));
    await close(socket, 1000);
  },

  async compression() {
    for (const offer of [true, { clientMaxWindowBits: 10, serverMaxWindowBits: 10 }, { serverNoContextTakeover: true }]) {
      const socket = await open({ perMessageDeflate: offer && { threshold: 0, ...offer } });
      assert.match(socket.extensions, /^permessage-deflate/);
      const json = JSON.stringify(Array.from({ length: 9000 }, (_, number) => ({ number: number % 77 })));
      await echoed(socket, json, json.slice(0, 16384), json.slice(0, 32768), '', 'short', crypto.randomBytes(100_000), json);
      await close(socket, 1000);
    }
  },

  async fragments() {
    for (const perMessageDeflate of [false, { threshold: 0 }]) {
      const socket = await open({ perMessageDeflate });
      for (const part of ['frag', '', 'men']) socket.send(part, { fin: false });
      socket.ping('between');
      socket.send('ted', { fin: true });
      assert.strictEqual(await receive(socket), 'fragmented');
      const pieces = Array.from({ length: 200 }, () => crypto.randomBytes(1000));
      pieces.forEach((piece, at) => socket.send(piece, { fin: at === pieces.length - 1 }));
      assert.deepStrictEqual(await receive(socket), Buffer.concat(pieces));
      await close(socket, 1000);
    }
  },

  async pings() {
    const socket = await open();
    for (const payload of ['', 'are you there', 'x'.repeat(125)]) {
      socket.ping(payload);
      const [answer] = await once(socket, 'pong');
      assert.strictEqual(answer.toString(), payload);
    }
    await close(socket, 1000);
  },

  async closes() {
    for (const code of [undefined, 1000, 1001, 1011, 3000, 4321, 4999]) await close(await open(), code, code && 'enough');
  },

  async megabyte() {
    for (const perMessageDeflate of [false, true]) {
      const socket = await open({ perMessageDeflate });
      await echoed(socket, crypto.randomBytes(1 << 20), 'ä'.repeat(1 << 19), Buffer.alloc(16 << 20, 'large'));
      await close(socket, 1000);
    }
  },

  async crowd() {
    const sockets = await Promise.all(Array.from({ length: 300 }, () => open()));
    await Promise.all(sockets.map(async (socket, number) => {
      await echoed(socket, `I am ${number}`, crypto.randomBytes(5000), 'y'.repeat(50_000));
      await close(socket, 1000);
    }));
  },
};

setTimeout(() => assert.fail(`${scenario} is not over after ${PATIENCE} ms`), PATIENCE);
scenarios[scenario]().then(() => {
  console.log('passed');
  process.exit(0);
}, (error) => {
  console.error(error);
  process.exit(1);
});
