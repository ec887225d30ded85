import { resolve } from "node:path";
import ts from "typescript";

const root = resolve(import.meta.dirname, "../../..");

/** Compiles files that exist only in memory, under the repository's own settings. */
export const compile = (files: ReadonlyMap<string, string>): readonly ts.Diagnostic[] => {
  const read = (path: string): string | undefined => ts.sys.readFile(path);
  const { config } = ts.readConfigFile(resolve(root, "tsconfig.check.json"), read) as { config: object };
  const settings = { ...config, include: [], files: [...files.keys()] };
  const { options } = ts.parseJsonConfigFileContent(settings, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const onDisk = ts.createCompilerHost(options);
  host.fileExists = (path) => files.has(path) || onDisk.fileExists(path);
  host.readFile = (path) => files.get(path) ?? onDisk.readFile(path);
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const text = files.get(path);
    if (text === undefined) return onDisk.getSourceFile(path, languageVersion, ...rest);
    return ts.createSourceFile(path, text, languageVersion);
  };
  return ts.getPreEmitDiagnostics(ts.createProgram([...files.keys()], options, host));
};
