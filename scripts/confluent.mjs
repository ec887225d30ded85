// Builds Confluent's binding for its own tests: an install leaves it alone, because its build may download.
//   pnpm confluent
// CKJS_LINKING=dynamic uses the libraries of this machine; Confluent's default is static, which downloads them.
import { tellCodecs } from "./codecs.mjs";
import { compile } from "./native.mjs";

const NAME = "@confluentinc/kafka-javascript";

const isThere = await compile(NAME, { CKJS_LINKING: process.env.CKJS_LINKING ?? "dynamic" });
tellCodecs(NAME);
if (!isThere) console.error("The tests of its driver are skipped without it.");
process.exitCode = isThere ? 0 : 1;
