"""A hook of mkdocs: the pages that lie elsewhere in the repository, and those that are made from the code.

mkdocs calls ``on_files`` and ``on_page_markdown``; `make docs` builds the site with them.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from posixpath import normpath
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
#: Page of the site -> the repository's file that it shows.
ELSEWHERE = {
    "start.md": "README.md",
    "zh.md": "README.zh-CN.md",
    "quality.md": "benchmarks/QUALITY.md",
    "changes.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
API = """# API

::: gsjbu.verbs.upsample

::: gsjbu.verbs.fit

::: gsjbu.core.kernel.Kernel

::: gsjbu.core.window.Window

::: gsjbu.core.kernel_file.load

::: gsjbu.module.GSJBU

::: gsjbu.run.estimate.estimate

::: gsjbu.errors
"""


def commands() -> str:
    """The command line, as its own help says it."""
    from gsjbu.cli import parser

    top = parser()
    parts = ["# Command line", _block(top)]
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                parts += [f"## gsjbu {name}", _block(command)]
    return "\n\n".join(parts)


def _block(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=110)  # type: ignore[assignment]
    return f"```text\n{parser.format_help().rstrip()}\n```"


def http() -> str:
    """The routes, from the OpenAPI description that the server gives at /openapi.json."""
    from gsjbu.server.app import create_app

    told = create_app().openapi()
    rows = ["| route | what it does | answers |", "|---|---|---|"]
    for path, methods in told["paths"].items():
        for method, route in methods.items():
            answers = ", ".join(sorted(route["responses"]))
            rows.append(f"| `{method.upper()} {path}` | {route.get('summary', '')} | {answers} |")
    head = f"# HTTP API\n\n{told['info']['summary']}\nA running server has all of it, fields included, at `/docs`; "
    return head + "codes and limits are in [the guide](server.md).\n\n" + "\n".join(rows)


def settings() -> str:
    """The table of settings that stands in the README."""
    table = re.search(r"<!-- settings:.*?-->\n(.*?)<!-- end", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert table is not None
    return f"# Settings\n\nOf the page, the command line and the API alike.\n\n{table[1]}"


def on_files(files: Any, config: Any) -> Any:
    """Pages from elsewhere and pages that are made."""
    made = {"api.md": API, "commands.md": commands(), "http.md": http(), "settings.md": settings()}
    for name, source in ELSEWHERE.items():
        made[name] = (ROOT / source).read_text("utf-8")
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as the repository has them → links of the site; what the site has not is shown by the repository."""
    source = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {path: name for name, path in ELSEWHERE.items()}

    def led(found: re.Match[str]) -> str:
        target, _, anchor = found[1].partition("#")
        if not target or "://" in target:
            return found[0]
        path = normpath(f"{Path(source).parent.as_posix()}/{target}")
        here = pages.get(path, path.removeprefix("docs/"))
        where = here if files.get_file_from_path(here) else f"{config['repo_url']}/tree/main/{path}"
        return f"]({where}{'#' + anchor if anchor else ''})"

    # The mark of blocks that tests run is no option of mkdocs, which would show them and what follows as they are.
    markdown = re.sub(r"^(```\w+) run$", r"\1", markdown, flags=re.MULTILINE)
    return re.sub(r"\]\(([^)\s]+)\)", led, markdown)
