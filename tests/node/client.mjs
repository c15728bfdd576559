// The official TypeScript SDKs as clients: `client.mjs sdk` is v1, `client.mjs client` is v2.
// See ../fixtures/CLIENTS.md.

import { text } from 'node:stream/consumers';

const modern = process.argv[2] === 'client';
const { Client, StreamableHTTPClientTransport, SSEClientTransport, schema } = modern ? await v2() : await v1();

const happened = { revision: null, outcomes: [], progress: [], logs: [], events: [], asked: [] };
const task = JSON.parse(await text(process.stdin));

const client = new Client(
    { name: 'test', version: '1.0.0' },
    {
        capabilities: { sampling: {}, elicitation: {}, roots: {} },
        ...(modern && { versionNegotiation: { mode: negotiation(task.mode) } }),
    },
);
client.setRequestHandler(schema('sampling/createMessage'), (request) => {
    happened.asked.push(request.params);
    return { role: 'assistant', model: 'test', content: { type: 'text', text: "the model's answer" } };
});
client.setRequestHandler(schema('elicitation/create'), (request) => {
    happened.asked.push(request.params);
    return { action: 'accept', content: { name: 'Ann' } };
});
client.setRequestHandler(schema('roots/list'), () => ({ roots: [{ uri: 'file:///roots/one' }] }));
client.setNotificationHandler(schema('notifications/message'), (message) => {
    happened.logs.push(message.params.data);
});
client.setNotificationHandler(schema('notifications/tools/list_changed'), (message) => {
    happened.events.push(message.method);
});

const url = new URL(task.url);
const transport = task.transport === 'sse' ? new SSEClientTransport(url) : new StreamableHTTPClientTransport(url);
await client.connect(transport);
happened.revision = (modern ? client.getNegotiatedProtocolVersion?.() : transport.protocolVersion) ?? null;
for (const step of task.steps) happened.outcomes.push(await outcome(step));
if (task.transport !== 'sse') await transport.terminateSession();
await client.close();
process.stdout.write(JSON.stringify(happened), () => process.exit(0));

async function outcome(step) {
    try {
        const result = await run(...step);
        return step[0] === 'together' ? result : { result };
    } catch (error) {
        // -32000 and -32001 are the SDK's own codes for a closed connection and a timeout.
        const answered = Number.isInteger(error?.code) && error.code !== -32000 && error.code !== -32001;
        return answered
            ? { error: { code: error.code, message: error.message.replace(/^MCP error -?\d+: /, '') } }
            : { broken: String(error?.stack ?? error) };
    }
}

async function run(kind, ...given) {
    const options = { timeout: 10_000 };
    switch (kind) {
        case 'tools':
            return (await pages((p) => client.listTools(p), 'tools')).map((t) => t.name);
        case 'resources':
            return (await pages((p) => client.listResources(p), 'resources')).map((r) => r.uri);
        case 'prompts':
            return (await pages((p) => client.listPrompts(p), 'prompts')).map((p) => p.name);
        case 'call':
            return call(given[0], given[1], options);
        case 'cancel': {
            const signal = AbortSignal.timeout(given[2] * 1000);
            await call(given[0], given[1], { ...options, signal }).catch(() => undefined);
            await sleep(200);
            return 'cancelled';
        }
        case 'read':
            return client.readResource({ uri: given[0] }, options);
        case 'prompt':
            return client.getPrompt({ name: given[0], arguments: given[1] }, options);
        case 'complete':
            return client.complete(
                { ref: { type: 'ref/prompt', name: given[0] }, argument: { name: given[1], value: given[2] } },
                options,
            );
        case 'ping':
            return client.ping(options);
        case 'level':
            return client.setLoggingLevel(given[0], options);
        case 'listen': {
            const subscription = await client.listen?.({ toolsListChanged: true }).catch(() => undefined);
            await call(given[0], {}, options);
            while (happened.events.length === 0) await sleep(20);
            await subscription?.close?.();
            return happened.events;
        }
        case 'together':
            return Promise.all(given[0].map(outcome));
    }
    throw new Error(kind);
}

function call(name, args, options) {
    const onprogress = ({ progress, total, message }) => happened.progress.push([progress, total, message]);
    const params = { name, arguments: args };
    const all = { ...options, onprogress };
    return modern ? client.callTool(params, all) : client.callTool(params, undefined, all);
}

async function pages(fetch, field) {
    const found = [];
    let cursor;
    do {
        const page = await fetch(cursor === undefined ? undefined : { cursor });
        found.push(...page[field]);
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return found;
}

function negotiation(mode = 'auto') {
    return mode === 'auto' || mode === 'legacy' ? mode : { pin: mode };
}

function sleep(milliseconds) {
    return new Promise((done) => setTimeout(done, milliseconds));
}

async function v1() {
    const types = await import('@modelcontextprotocol/sdk/types.js');
    const schemas = {
        'sampling/createMessage': types.CreateMessageRequestSchema,
        'elicitation/create': types.ElicitRequestSchema,
        'roots/list': types.ListRootsRequestSchema,
        'notifications/message': types.LoggingMessageNotificationSchema,
        'notifications/tools/list_changed': types.ToolListChangedNotificationSchema,
    };
    return {
        ...(await import('@modelcontextprotocol/sdk/client/index.js')),
        ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
        ...(await import('@modelcontextprotocol/sdk/client/sse.js')),
        schema: (method) => schemas[method],
    };
}

async function v2() {
    return { ...(await import('@modelcontextprotocol/client')), schema: (method) => method };
}
