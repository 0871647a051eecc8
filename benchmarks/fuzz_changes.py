"""Files as the program writes them, changed at random: what `fuzz.py` gives to the commands."""

import copy
import io
import json
import re
import zipfile

ODD = (
    None, True, False, 0, 1, -1, 2, 3.5, -0.0, 1e300, -1e300, 1e-320, 2**31, 2**63, 2**64, 10**30,
    "", " ", "x", "0", "3", "nan", "1e300", "None", "ü漢", "a\0b", "\ud800", "\x1b[31mred",
    "[/red]", "../../x", "/etc/passwd", "$\\foo$", "a" * 5000, ":cat:", "dtp", "mine.py:Mine",
    "digits", [], {}, [[]], [None], [1, 2, 3], {"a": 1}, {"": None}, ["x"] * 300, [[1, 2], [3]],
)  # fmt: skip
RAW = (
    "NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "010", "1_000", "0x10", "'x'", "undefined",
    "{" * 5000, "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000, "\\ud800", "\0", "\x85",
)  # fmt: skip
YAML = (
    "!!int ''", "!!bool x", "!!float x", "!!binary ä", "!!timestamp x", "!!set {a, b}", "!x 3",
    "!!python/object/apply:os.getcwd []", "1:20", "010", "0x10", "1_000", "1e-3", "yes", "no", "on",
    "~", "2020-01-01", "&a [*a]", "*none", ".nan", ".inf", "-.inf", "1e400", "9" * 5000, "|", ">",
    '"\\uD800"', '"\\0"', "{a: 1, a: 2}", "[1, [2, [3]]]", "? x", "- 3", "\t3", "%x", "@x", "`x",
    "<<", "[" * 3000, "{low: 1, high: 2}", "{choices: [1, 2]}", "{low: 2, high: 1, log: 3}",
    "[{low: 0}]",
)  # fmt: skip
MARK = "⁂⁂"  # stands in a text for what no writer of JSON would write


def places(content, place=()):
    """Return the places of all nodes in JSON types."""
    found = [place]
    if isinstance(content, (dict, list)):
        children = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in children:
            found += places(value, (*place, key))
    return found


def changed_json(text, draw):
    """Return JSON with one node, or some, changed."""
    content = json.loads(text)
    raw = None
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        nodes = places(content)
        place = draw.choice(nodes)
        if not place:
            content = copy.deepcopy(draw.choice(ODD))
            break
        parent = content
        for key in place[:-1]:
            parent = parent[key]
        key, kind = place[-1], draw.randrange(10)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[draw.choice(("", "x", "\ud800", f"{key}s", "class_name"))] = parent.pop(key)
        elif kind == 2:
            parent[key] = [parent[key]]
        elif kind == 3:
            other = content
            for step in draw.choice(nodes):
                other = other[step]
            parent[key] = copy.deepcopy(other)
        elif kind == 4:
            parent[key], raw = MARK, draw.choice(RAW)
        elif kind == 5 and isinstance(parent[key], (int, float)):
            parent[key] = parent[key] * draw.choice((-1, 0, 0.5, 2, 1000))
        elif kind == 6 and isinstance(parent[key], list) and parent[key]:
            parent[key] = parent[key] * 2 if draw.random() < 0.5 else parent[key][:-1]
        else:
            parent[key] = copy.deepcopy(draw.choice(ODD))
    made = json.dumps(content)
    if raw is not None:
        made = made.replace(json.dumps(MARK), raw)
    if draw.random() < 0.05:  # a name that is there twice
        made = re.sub(r'"(\w+)": ([^,{}\[\]]+),', r'"\1": \2, "\1": \2,', made, count=1)
    return made


def changed_bytes(data, draw):
    """Return bytes that are damaged as disks, editors and attackers do it."""
    kind, at = draw.randrange(10), draw.randrange(len(data) + 1)
    if kind < 3:
        made = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 5, 20)) if data else 0):
            made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
        return bytes(made)
    end = min(len(data), at + draw.choice((1, 3, 10, 100)))
    return {
        3: lambda: data[:at],
        4: lambda: data[:at] + data[end:],
        5: lambda: data[:at] + data[at:end] * 2 + data[end:],
        6: lambda: data[:at] + draw.randbytes(draw.choice((1, 4, 40))) + data[at:],
        7: lambda: data[:at] + draw.choice(RAW).encode("utf-8", "surrogatepass") + data[at:],
        8: lambda: draw.choice((b"", b"\0" * 100, b"\xef\xbb\xbf" + data, b" \n", data * 2)),
        9: lambda: data.decode("latin-1").encode(draw.choice(("utf-8-sig", "utf-16", "utf-32"))),
    }[kind]()


def changed_yaml(text, draw):
    """Return YAML with a value, a name or a line changed."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2))):
        at = draw.randrange(len(lines))
        name, _, value = lines[at].partition(":")
        odd = draw.choice(YAML)
        lines[at] = draw.choice(
            (f"{name}: {odd}", f"{name}: {odd}", f"{name}: {odd}", f"{odd}: {value}", odd,
             f"{name}: {odd} {value}", f"  {lines[at]}", f"{lines[at]}\n{lines[at]}",
             f"---\n{lines[at]}", f"{name}: &a {value}\nseed: *a", f"<<: {{{lines[at]}}}",
             f"? {lines[at]}", f"{name}:{value}  # {odd}")
        )  # fmt: skip
    return "\n".join(lines)


def changed_csv(text, draw):
    """Return CSV with cells changed."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(draw.choice((1, 1, 3))):
        row = draw.choice(rows)
        if row:
            at = draw.randrange(len(row))
            odd = str(draw.choice((*ODD[:30], *RAW, '"', '"a,b', "1,2", "1\n2")))
            row[at] = draw.choice((odd, odd, "", f"{row[at]},{odd}"))
    return "\n".join(map(",".join, rows))


def changed(path, draw):
    """Change a file as its kind allows, or as bytes."""
    data = path.read_bytes()
    if path.suffix == ".keras":
        return path.write_bytes(changed_keras(data, draw))
    change = {
        ".json": changed_json, ".log": changed_journal, ".yaml": changed_yaml, ".csv": changed_csv
    }.get(path.suffix)  # fmt: skip
    if change is None or draw.random() < 0.25:
        return path.write_bytes(changed_bytes(data, draw))
    return path.write_bytes(change(data.decode(), draw).encode("utf-8", "surrogatepass"))


def changed_journal(text, draw):
    """Return a journal with records changed, taken out, repeated or in another order."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2))):
        if not lines:
            break
        at, kind = draw.randrange(len(lines)), draw.randrange(8)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, draw.choice(lines))
        elif kind == 2:
            lines[at : at + 2] = lines[at : at + 2][::-1]
        else:
            lines[at] = changed_json(lines[at], draw)
    return "\n".join(lines) + "\n"


def changed_keras(data, draw):
    """Return a .keras file with an entry changed, taken out or repeated, or damaged as a whole."""
    kind = draw.randrange(10)
    if kind == 0:
        return changed_bytes(data, draw)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice((*entries, "dtp_tf.json", "dtp_tf.json", "config.json"))
    if kind == 1:
        entries.pop(name, None)
    elif name.endswith(".json") and kind < 9 and name in entries:
        made = changed_json(entries[name].decode(), draw)
        entries[name] = made.encode("utf-8", "surrogatepass")
    elif name in entries:
        entries[name] = changed_bytes(entries[name], draw)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for one, content in entries.items():
            archive.writestr(one, content)
    return file.getvalue()
