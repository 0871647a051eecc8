"""The public names, as the stubs `__init__.pyi` of `dtp_tf` and its wings list them."""

import ast
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]


def stubs():
    """Return {module: the path of its stub}: `dtp_tf`, then the wings by their names."""
    paths = [ROOT / "dtp_tf/__init__.pyi", *sorted(ROOT.glob("dtp_tf/*/__init__.pyi"))]
    return {".".join(path.parent.relative_to(ROOT).parts): path for path in paths}


def public_names(module):
    """Return {name: where it is defined, as `dtp_tf.rules.dtp.DTP`} of `dtp_tf` or a wing."""
    names = {}
    for line in ast.parse(stubs()[module].read_text()).body:
        if isinstance(line, ast.ImportFrom):
            source = f"{module}.{line.module}" if line.module else module
            names |= {alias.asname: f"{source}.{alias.name}" for alias in line.names}
    return names


def places():
    """Return {public path: the one of its public paths under which the reference has it}.

    That is the shortest: `dtp_tf.DensePair` has a place, and `dtp_tf.pairs.DensePair` is it.
    """
    places, first = {}, {}
    for module in stubs():  # `dtp_tf` comes first
        for name, source in public_names(module).items():
            path = f"{module}.{name}"
            places[path] = first.setdefault(source, path)
    return places
