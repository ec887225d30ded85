import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", "**/.cache/**", "**/*.mjs", "**/*.cjs"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.check.json", tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      // Numbers in messages are what a reader wants to see.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // `typeof DONE | void` is how a callback says "or nothing".
      "@typescript-eslint/no-invalid-void-type": "off",
      // User errors pass through unchanged, whatever was thrown.
      "@typescript-eslint/only-throw-error": "off",
      "@typescript-eslint/prefer-promise-reject-errors": "off",
      // State that a callback changes is narrowed by the compiler as if it could not change.
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      // Class fields by arrow are bound; `no-confusing` would forbid one-line callbacks.
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-empty-function": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-extraneous-class": "off",
      // `unknown | undefined` tells the reader more than `unknown`.
      "@typescript-eslint/no-redundant-type-constituents": "off",
      // An async method without await still turns a throw into a rejection.
      "@typescript-eslint/require-await": "off",
      "no-console": "error",
    },
  },
  {
    files: ["**/test/**/*.ts"],
    rules: {
      // chai's assertions are expressions.
      "@typescript-eslint/no-unused-expressions": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
      // Fakes stand in for classes.
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off",
      "no-console": "off",
    },
  },
  {
    files: ["packages/kafka/src/**/*.ts"],
    ignores: ["packages/kafka/src/client/**", "packages/kafka/src/errors/**"],
    rules: {
      // Another driver has other numbers.
      "no-restricted-syntax": [
        "error",
        ...["BinaryExpression", "CallExpression", "SwitchStatement"].map((where) => ({
          selector: `${where} > MemberExpression[property.name="clientCode"]`,
          message: "Decide by a reason (failedBy), not by a number of the client.",
        })),
        {
          selector: 'ImportSpecifier[imported.name="CODE"]',
          message: "Numbers of the client stay in client/; decide by a reason (failedBy).",
        },
      ],
    },
  },
  { files: ["examples/**/*.ts", "benchmarks/**/*.ts"], rules: { "no-console": "off" } },
);
