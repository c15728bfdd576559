// Preloaded into MCP servers that know no --host option: they listen on loopback instead of on every
// interface, so that the only way in from outside is through the firewall.
'use strict';
const net = require('node:net');

const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function listenOnLoopback(port, ...rest) {
  if (typeof port === 'number' || (typeof port === 'string' && /^\d+$/.test(port))) {
    const callback = rest.find((argument) => typeof argument === 'function');
    return listen.call(this, { port: Number(port), host: '127.0.0.1' }, callback);
  }
  if (port && typeof port === 'object' && 'port' in port) {
    return listen.call(this, { ...port, host: '127.0.0.1' }, ...rest);
  }
  return listen.call(this, port, ...rest);
};
