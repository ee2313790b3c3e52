// The npm package salesforce-pubsub-api-client against the emulator: prints what it decodes and what its publishing says, NDJSON.
// usage: node npm_peer.mjs SALESFORCE.json COUNTS.json    COUNTS: {"/data/AccountChangeEvent": 12, …}
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(path.join(process.env.NPM_PEER, 'package.json'));
const file = path.join(path.dirname(require.resolve('salesforce-pubsub-api-client')), 'client.js');
const { default: PubSubApiClient } = await import(pathToFileURL(file));
const [settings, counts] = process.argv.slice(2).map((name) => JSON.parse(fs.readFileSync(name)));
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const print = (what, value) =>
    fs.writeSync(1, JSON.stringify({ what, ...value }, (key, v) => (typeof v === 'bigint' ? v.toString() : v)) + '\n');
const plain = (value) => (value && value.constructor && value.constructor.name !== 'Object' && !Array.isArray(value) ? { ...value } : value);

const client = new PubSubApiClient(
    {
        authType: 'oauth-client-credentials',
        loginUrl: settings.instance_url,
        clientId: settings.client_id,
        clientSecret: settings.client_secret,
        pubSubEndpoint: settings.pubsub_endpoint,
        rejectUnauthorizedSsl: false // it brings authorities of its own and takes no others
    },
    quiet
);
await client.connect();

const receive = (topic, count) =>
    new Promise((resolve, reject) => {
        let left = count;
        client.subscribeFromEarliestEvent(topic, (info, type, data) => {
            if (type === 'event') {
                print('event', { topic, id: data.id, schemaId: data.schemaId, replayId: data.replayId, payload: plain(data.payload) });
                if (--left === 0) resolve();
            } else if (type === 'error') reject(data);
        });
    });

for (const [topic, count] of Object.entries(counts)) await receive(topic, count);

const orders = '/event/Order_Event__e';
const order = (n) => ({
    CreatedDate: Date.now(), CreatedById: '0055f000000Emu1AAC', Order_Number__c: { string: String(n) }, City__c: null,
    Amount__c: { double: n / 4 }, Has_Shipped__c: { boolean: n % 2 === 0 }, Shipped_At__c: { long: 1767225600000 + n }, Note__c: null
});
const one = await client.publish(orders, order(0), 'key-0');
print('published', { replayId: one.replayId, correlationKey: one.correlationKey });
await new Promise((resolve, reject) => {
    client.publishBatch(orders, Array.from({ length: 150 }, (_, i) => ({ id: `key-${i + 1}`, payload: order(i + 1) })), (info, type, data) => {
        if (type === 'publishResponse') {
            for (const result of data.results) print('published', result);
            resolve();
        } else if (type === 'error') reject(data);
    });
});
client.close();
process.exit(0);
