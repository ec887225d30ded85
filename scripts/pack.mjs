// Packs the packages of this workspace as they would be published.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** pnpm is not on the PATH of a process that it did not start. */
const ownPnpm = process.env.npm_execpath ?? "";
const pnpm = ownPnpm.endsWith("pnpm.cjs") ? [process.execPath, ownPnpm] : ["npx", "--yes", "pnpm@10.34.9"];

/** Answers the tarball in `folder` of each package, by the name of its folder. */
export const packAll = (folder) => {
  const [file, ...args] = [...pnpm, "--recursive", "--filter", "./packages/*", "pack", "--pack-destination", folder];
  execFileSync(file, args, { stdio: ["ignore", "ignore", "inherit"] });
  const tarballs = readdirSync(folder);
  return new Map(
    readdirSync("packages").map((name) => [
      name,
      join(
        folder,
        tarballs.find((each) => each.startsWith(`millrace-${name}-0`)),
      ),
    ]),
  );
};
