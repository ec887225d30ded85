// After an install: compiles the client, which no install in this workspace does by itself, and says what it can read.
import { tellCodecs } from "./codecs.mjs";
import { compile } from "./native.mjs";

const NAME = "node-rdkafka";

if (!(await compile(NAME))) process.exitCode = 1;
tellCodecs(NAME);
