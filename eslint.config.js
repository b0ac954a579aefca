// The page's modules: what ESLint's authors recommend, for browsers of today.

import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/node_modules/", "**/.venv/", "static/out/"] },
  {
    ...js.configs.recommended,
    files: ["static/js/**/*.js"],
    languageOptions: { globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      ...js.configs.recommended.rules,
      "no-undef": "error",
      "no-unused-vars": "error",
      "prefer-const": "error",
      "no-var": "error",
      eqeqeq: "error",
    },
  },
  {
    files: ["static/js/**/*.js"],
    ignores: ["static/js/storage.js"], // the one place that is ready for a browser that keeps nothing
    rules: { "no-restricted-globals": ["error", "localStorage", "sessionStorage", "indexedDB", "caches"] },
  },
];
