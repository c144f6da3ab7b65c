use super::*;

fn reason_of(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(str::to_string).collect();
    reason(&lines)
}

#[test]
fn the_reason_of_a_traceback_is_its_exception() {
    let plain = "Installing shop...\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\n  \
                 File \"b.py\", line 9, in g\n    x.y\nAttributeError: 'X' has no attribute 'y'";
    assert_eq!(reason_of(plain), "AttributeError: 'X' has no attribute 'y'");
    let followed = format!("{plain}\n\nUpdating DocTypes\nbye\nbye\nbye");
    assert_eq!(reason_of(&followed), "AttributeError: 'X' has no attribute 'y'");
    let with_variables = "An error occurred while installing shop: no\nTraceback with variables (most recent call last):\n  \
                          File \"a.py\", line 3, in f\n    g()\n      kwargs = {}\n      site = 'x'\nbuiltins.ValueError: no";
    assert_eq!(reason_of(with_variables), "builtins.ValueError: no");
}

#[test]
fn the_reason_of_chained_exceptions_is_the_last_one() {
    let chained = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    {}['x']\nKeyError: 'x'\n\n\
                   During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  \
                   File \"a.py\", line 3, in f\n    raise\nfrappe.exceptions.ValidationError: two lines:\nthe second";
    assert_eq!(reason_of(chained), "frappe.exceptions.ValidationError: two lines: / the second");
    let syntax = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    import shop\n  \
                  File \"shop.py\", line 2\n    def x(:\n          ^\nSyntaxError: invalid syntax";
    assert_eq!(reason_of(syntax), "SyntaxError: invalid syntax");
}

#[test]
fn a_frame_at_the_end_is_not_the_reason() {
    let cut = "first\n  File \"a.py\", line 3, in f\n    g()";
    assert!(reason_of(cut).contains("first"), "{}", reason_of(cut));
}

/// The output of `bench build` when an app's own build fails: the exception of execSync follows the reason.
#[test]
fn the_reason_of_a_failed_vite_build_is_the_unresolved_import() {
    let text = "yarn run v1.22.22\n$ cd frontend && yarn build\n$ vite build\nvite v5.4.2 building for production...\n\
        transforming...\n\u{1b}[31mx\u{1b}[39m Build failed in 2.1s\nerror during build:\n\
        Could not resolve \"../../../../sites/common_site_config.json\" from \"src/socket.js\"\n\
        file: /x/frontend/src/socket.js\n    at getRollupError (file:///x/node_modules/rollup/dist/es/shared/parseAst.js:396:41)\n\
        error Command failed with exit code 1.\ninfo Visit https://yarnpkg.com/en/docs/cli/run for documentation about this command.\n\
        error Command failed with exit code 1.\nError: Command failed: yarn build\n    at genericNodeError (node:internal/errors:984:15)\n\
        status: 1,\n  signal: null,\n  output: [ null, null, null ],\n  pid: 711,\n  stdout: null,\n  stderr: null\n}";
    assert_eq!(
        reason_of(text),
        "Could not resolve \"../../../../sites/common_site_config.json\" from \"src/socket.js\""
    );
}

#[test]
fn the_errors_of_each_tool_are_found() {
    for (text, expected) in [
        (
            "/bin/sh: 1: vite: not found\nerror Command failed with exit code 127.",
            "/bin/sh: 1: vite: not found",
        ),
        (
            "warning a > b@1: deprecated\nerror An unexpected error occurred: \"https://r/x: getaddrinfo ENOTFOUND r\".\n\
             info If you think this is a bug, please open a bug report",
            "error An unexpected error occurred: \"https://r/x: getaddrinfo ENOTFOUND r\".",
        ),
        (
            "\u{1b}[31m✘ \u{1b}[41;31m[\u{1b}[41;97mERROR\u{1b}[41;31m]\u{1b}[0m Could not resolve \"x\"\n\n    a.js:1:7:",
            "✘ [ERROR] Could not resolve \"x\"",
        ),
        (
            "<--- Last few GCs --->\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n\
          Error: x: y\nAborted",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        ),
        (
            "[vite]: Rollup failed to resolve import \"y\" from \"z\".\nThis is most likely unintended",
            "[vite]: Rollup failed to resolve import \"y\" from \"z\".",
        ),
        (
            "node:internal/modules/cjs/loader:1143\n  throw err;\n  ^\n\nError: Cannot find module 'x'\n    at Module\n  \
          code: 'MODULE_NOT_FOUND'\n}\n\nNode.js v20.1.0",
            "Error: Cannot find module 'x'",
        ),
        (
            "src/a.ts(3,4): error TS2304: Cannot find name 'q'.",
            "src/a.ts(3,4): error TS2304: Cannot find name 'q'.",
        ),
        (
            "npm error code E404\nnpm error 404 Not Found\nnpm error A complete log of this run",
            "npm error code E404 / npm error 404 Not Found",
        ),
        ("error Command failed with signal \"SIGKILL\".", "error Command failed with signal \"SIGKILL\"."),
        ("nothing that is known\nat all", "nothing that is known / at all"),
    ] {
        assert_eq!(reason_of(text), expected, "{text}");
    }
}
