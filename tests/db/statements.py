"""tests/db/statements.py: every SQL text that the program can run, and how each kind of store would carry it out.

Texts that stand in the source as they are run are read from there; those that are built at run time are found in the
log of a PostgreSQL server while API tests run on it.
"""
import json
import pathlib
import re

SOURCES = pathlib.Path(__file__).resolve().parent.parent.parent / "src"
LITERAL = r'"(?:[^"\\]|\\.)*"'
PIECES = rf"(?:\s*(?:{LITERAL}|[A-Z][A-Z0-9_]+\b(?!\s*\()))+"
CALL = re.compile(rf"\bSQL\(({PIECES}|\s*\w+)\s*[,)]")
IS_WORK = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")


def _texts(source):
    """{name: its literals} of the macros and constants that hold some."""
    macros = re.findall(r"^#define (\w+)[ \t]+((?:.*\\\n)*.*)$", source, re.M)
    constants = re.findall(rf"static const char (\w+)\[\] =({PIECES})\s*;", source)
    return {name: body.replace("\\\n", " ") for name, body in [*macros, *constants] if '"' in body}


def _join(pieces, texts):
    """The text of adjacent literals and macros; None when one of them is not known."""
    parts = []
    for piece in re.findall(rf"{LITERAL}|[A-Za-z_]\w*", pieces):
        if piece[0] == '"':
            parts.append(piece[1:-1].replace('\\"', '"').replace("\\\\", "\\"))
        else:
            parts.append(_join(texts[piece], texts) if piece in texts else None)
    return None if None in parts else "".join(parts)


def written_statements():
    """{text: file} of the statements that the source runs as they stand there."""
    found, shared = {}, {}
    for file in SOURCES.rglob("*.h"):
        shared.update(_texts(file.read_text()))
    for file in sorted(SOURCES.rglob("*.c")):
        source = file.read_text()
        texts = {**shared, **_texts(source)}
        for pieces in CALL.findall(source):
            whole = _join(pieces, texts)
            assert whole or '"' not in pieces, f"{file}: a macro of {pieces} holds more than its text"
            if whole and IS_WORK.match(whole):
                found[whole] = str(file.relative_to(SOURCES))
    return found


def uses():
    """How many uses of SQL() are literals, and the places of those that are not."""
    read, unread = 0, []
    for file in sorted(SOURCES.rglob("*.c")):
        source = file.read_text()
        for match in re.finditer(r"\bSQL\(", source):
            if CALL.match(source, match.start()):
                read += 1
            else:
                unread.append(f"{file.relative_to(SOURCES)}: {source[match.start():match.start() + 60]}")
    return read, unread


def logged_statements(log):
    """Those of a PostgreSQL log with log_statement = all."""
    found = re.findall(r"LOG:  execute \S+: (.*)$", log, re.M)
    return {text for text in found if IS_WORK.match(text)}


# -- plans: [(table, "lookup" | "walk" | "scan")], and whether rows are sorted


def _names(text, tables):
    """{name in the statement: table}"""
    found = {}
    for table, alias in re.findall(r"(?:\b(?:FROM|JOIN|INTO|UPDATE)|,)\s+(\w+)(?:\s+AS)?(?:\s+([a-z]\w*))?", text):
        if table in tables:
            found[table] = table
            found.setdefault(alias, table)
    return found


def sqlite_plan(db, text):
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    queue = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE is_open = 1%'")}
    names, values = _names(text, tables), {str(number): None for number in range(1, 400)}
    reads, sorts = [], False
    for line in db.execute("EXPLAIN QUERY PLAN " + text, values).fetchall():
        sorts |= "USE TEMP B-TREE FOR ORDER BY" in line[3]
        match = re.match(r"(SCAN|SEARCH) (\w+)(.*)", line[3])
        table = names.get(match.group(2)) if match else None
        if table:
            index = re.search(r"INDEX (\w+)", match.group(3))
            is_lookup = match.group(1) == "SEARCH" or (index and index.group(1) in queue)  # the open jobs, by the index's own condition
            is_walk = "USING" in match.group(3) or re.search(r"ORDER BY (\w+\.)?id\b", text)
            reads.append((table, "lookup" if is_lookup else "walk" if is_walk else "scan"))
    return reads, sorts


def _walk(node, partial, reads, sorts):
    kind = node["Node Type"]
    if kind == "Seq Scan":
        reads.append((node["Relation Name"], "scan"))
    elif kind in ("Index Scan", "Index Only Scan"):
        is_lookup = "Index Cond" in node or node["Index Name"] in partial  # the condition may be the index's own
        reads.append((node["Relation Name"], "lookup" if is_lookup else "walk"))
    elif kind == "Bitmap Heap Scan":
        reads.append((node["Relation Name"], "lookup"))
    sorts.append(kind == "Sort")
    for child in node.get("Plans", []):
        _walk(child, partial, reads, sorts)


def postgresql_plan(cursor, text):
    parameters = max([int(n) for n in re.findall(r"\$(\d+)", text)] or [0])
    reads, sorts = [], []
    cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL")
    partial = {row[0] for row in cursor.fetchall()}
    cursor.execute("PREPARE statement AS " + text)
    try:
        values = "(" + ", ".join(["NULL"] * parameters) + ")" if parameters else ""
        cursor.execute("EXPLAIN (FORMAT JSON) EXECUTE statement" + values)
        plan = cursor.fetchone()[0]
    finally:
        cursor.execute("DEALLOCATE statement")
    _walk((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"], partial, reads, sorts)
    return reads, any(sorts)
