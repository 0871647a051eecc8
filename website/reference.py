"""The reference: a page for `dtp_tf` and for every wing, with all names of its stub."""

import ast

import docstrings  # noqa: F401  imported here, where Python finds it, and used by Griffe
from mkdocs.structure.files import File
from public import ROOT, places, public_names, stubs

MODULES = {"dtp_tf.errors": "dtp_tf/errors.py"}  # public, and no wing


def pages():
    """Return {module: the path of its page}."""
    return {m: f"reference/{m.partition('.')[2] or 'index'}.md" for m in [*stubs(), *MODULES]}


def page(module):
    """Return the Markdown of a module's page."""
    if module in MODULES:
        return f"::: {module}\n    options: {{heading_level: 1}}\n"
    lines = [f"# {module}", "", _about(module), ""]
    for name in public_names(module):
        public = f"{module}.{name}"
        place = places()[public]
        if public in pages():
            lines += [f"[](){{ #{public} }}"]
        elif place == public:
            inherited = module != "dtp_tf.rules"  # each would repeat what its base class has
            lines += ["", f"::: {public}", f"    options: {{inherited_members: {inherited}}}"]
        else:
            lines += ["", f"[](){{ #{public} }}`{name}` is [`{place}`][{place}]."]
    if module == "dtp_tf":
        rows = (
            f"| [`{other}`]({path.partition('/')[2]}) | {_about(other).splitlines()[0]} |"
            for other, path in pages().items()
            if other != module
        )
        lines[4:4] = ["| module | what it is for |", "|---|---|", *rows, ""]
    return "\n".join(lines) + "\n"


def _about(module):
    path = ROOT / MODULES.get(module, f"{module.replace('.', '/')}/__init__.py")
    return ast.get_docstring(ast.parse(path.read_text()))


def on_config(config):
    section = next(item["Reference"] for item in config.nav if "Reference" in item)
    section.extend({module: path} for module, path in pages().items() if module != "dtp_tf")


def on_files(files, config):
    for module, path in pages().items():
        files.append(File.generated(config, path, content=page(module)))
    return files
