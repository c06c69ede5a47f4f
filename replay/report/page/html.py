"""What the pages are made of: the page itself, its style, figures with a table behind each, tables, escaped text.

Nothing is loaded from anywhere, and no script runs. Everything that comes from a trace or a target is escaped. Pages
follow the reader's light or dark setting, narrow to a phone, and print.
"""

import re
from collections.abc import Sequence
from html import escape

from replay.report.page.charts import Chart, as_svg
from replay.words.names import printable

# What is too wide for its screen scrolls, and shows a shadow at the side where more of it is: two covers in the page's
# colour scroll along with what is inside, in front of two shadows that do not.
_OPTION = re.compile(r"--[a-z]+(?:-[a-z]+)*")
_CSS = """
:root{color-scheme:light dark;--fg:#1f2937;--dim:#5b6472;--line:#e5e7eb;--bg:#fff;--card:#f9fafb}
@media(prefers-color-scheme:dark){:root{--fg:#e5e7eb;--dim:#9ca3af;--line:#374151;--bg:#111827;--card:#1f2937}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{max-width:920px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.5rem;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:40px 0 4px;overflow-wrap:anywhere}
section>h2{font-size:1.3rem;margin-top:48px;padding-top:12px;border-top:1px solid var(--line)}
h3{font-size:1.05rem;margin:28px 0 4px;overflow-wrap:anywhere}
p{margin:4px 0;overflow-wrap:anywhere}.option{white-space:nowrap}.dim{color:var(--dim)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0}
.cards.brief{grid-template-columns:repeat(auto-fit,minmax(min(100%,360px),1fr))}
.brief ul{margin:6px 0 0;padding-left:18px}.brief li{margin:3px 0;overflow-wrap:anywhere}
.cards.wider{grid-template-columns:repeat(auto-fit,minmax(250px,1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.card b{display:block;font-size:1.5rem;font-weight:650}.card span{color:var(--dim);font-size:.85rem}
.card dl{display:grid;grid-template-columns:1fr auto;gap:2px 12px;margin:4px 0 0}
.card dt{color:var(--dim);overflow-wrap:break-word;min-width:5.5em}
.card dd{margin:0;white-space:nowrap;font-weight:650;text-align:right}
.verdict{border-left:4px solid var(--dim);padding:8px 14px;background:var(--card);margin:16px 0}
.pass,.b_faster,.no_difference,.found{border-color:#10b981}.fail,.a_faster{border-color:#ef4444}
.inconclusive,.at_least,.not_reached,.doubt{border-color:#f59e0b}
.answer{font-size:1.6rem;line-height:1.3;font-weight:650;margin:4px 0}
nav{margin:20px 0;display:flex;flex-wrap:wrap;gap:4px 18px}nav a{color:inherit;padding:2px 0}
figure,.wide{overflow-x:auto;background-repeat:no-repeat;background-attachment:local,local,scroll,scroll;
background-image:linear-gradient(90deg,var(--bg) 30%,transparent),linear-gradient(-90deg,var(--bg) 30%,transparent),
linear-gradient(90deg,var(--dim),transparent),linear-gradient(-90deg,var(--dim),transparent);
background-position:0 0,100% 0,0 0,100% 0;background-size:40px 100%,40px 100%,10px 100%,10px 100%}
figure{margin:12px 0}svg{max-width:100%;height:auto}
svg text[fill="#888"]{fill:var(--dim)}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 14px 4px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{color:var(--dim);font-weight:500}
thead th{white-space:normal;overflow-wrap:break-word;max-width:14em;vertical-align:bottom}
tbody th{color:inherit;font-weight:400}
th:first-child{text-align:left}
.prose th,.prose td{text-align:left;white-space:normal;vertical-align:top;overflow-wrap:anywhere}
.prose tbody th{min-width:7.5em;font-weight:500}.prose td{min-width:6em}
.bill th:last-child,.bill td:last-child{text-align:left;white-space:normal;min-width:12em}
.failures :is(th,td):nth-child(2),.failures :is(th,td):last-child{text-align:left}
.decides th,.decides td{background:var(--card)}.prose .decides th{font-weight:700}
ul{padding-left:20px}li{margin:4px 0;overflow-wrap:anywhere}
details{margin:4px 0}summary{cursor:pointer;color:var(--dim)}
a:focus-visible,summary:focus-visible,.wide:focus-visible{outline:2px solid #3b82f6;outline-offset:2px}
@media(max-width:600px){figure svg{min-width:480px}.answer{font-size:1.3rem}main{padding-top:12px}
tbody th{white-space:normal}th,td{padding-right:10px}
.prose,.prose tbody,.prose tr,.prose th,.prose td{display:block;border:0;padding:0}
.prose thead,.prose td:empty{display:none}
.prose tr{padding:8px 0;border-bottom:1px solid var(--line)}.prose tbody th{font-weight:650}
.prose td::before{content:attr(data-head);color:var(--dim)}
.many,.many tbody,.many tr,.many tbody th{display:block}.many thead,.many td:empty{display:none}
.many th,.many td{border:0;padding:1px 0}.many tr{padding:8px 0;border-bottom:1px solid var(--line)}
.many tbody th{font-weight:650}.many td{display:flex;justify-content:space-between;gap:14px;white-space:normal}
.many td::before{content:attr(data-head);color:var(--dim);text-align:left}
.many td:last-child,.failures td:nth-child(2){text-align:right;min-width:0}}
@media print{nav,details:not([open]){display:none}h2,h3{break-after:avoid}figure,tr,.card{break-inside:avoid}
body{font-size:11pt}main{max-width:none;padding:0}.wide{overflow:visible}td{white-space:normal}}
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole document. parts: its HTML, empty ones left out."""
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        # The page needs nothing and may load nothing, whatever a name in it says.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{text_of(title)}</title><style>{_CSS}</style></head>\n<body><main>\n{body}\n</main></body></html>\n"
    )


def text_of(text: str) -> str:
    """Any text, safe within an element or an attribute's quotes."""
    return escape(printable(text, keep="\n"), quote=True)


def prose_of(text: str) -> str:
    """Any text, safe within an element; an option of a command is not parted at its hyphens."""
    return _OPTION.sub(r'<span class="option">\g<0></span>', text_of(text))


def section(title: str, parts: Sequence[str], name: str) -> str:
    """A part of a page under a heading of its own; nothing where all its parts are empty. name: its anchor."""
    inside = "\n".join(part for part in parts if part)
    if not inside:
        return ""
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{text_of(title)}</h2>\n{inside}</section>'


def figure(chart: Chart | None, of: str = "", level: int = 2) -> str:
    """A chart with its heading, what it shows in words, and its table. Raises ChartError where none can be drawn."""
    if chart is None:
        return ""
    # The picture says in words what it shows; a reader of the page without eyes for it has the table.
    svg = as_svg(chart).replace("<svg ", f'<svg role="img" aria-label="{text_of(chart.says)}" ', 1)
    return (
        f"<h{level}>{text_of(chart.title + of)}</h{level}>"
        f'<p class="dim">{text_of(chart.says)}</p><figure>{svg}</figure>'
        f"<details><summary>as a table</summary>{table(chart.heads, chart.rows)}</details>"
    )


_MOST_ON_A_PHONE = 4


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """Cells are escaped; the first of a row heads it. kind: a class of the style.

    Where there are many columns, a phone shows each row as a list of its own, every figure with its head.
    """
    if len(heads) > _MOST_ON_A_PHONE:
        return _scrolled(_listing(heads, rows, f"{kind} many".strip()))
    head = "".join(f'<th scope="col">{text_of(name)}</th>' if name else "<td></td>" for name in heads)
    body = "".join(
        f'<tr><th scope="row">{text_of(row[0])}</th>'
        + "".join(f"<td>{text_of(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return _scrolled(f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')


def _scrolled(made: str) -> str:
    """A table that is wider than the screen is scrolled by itself, by keyboard too."""
    return f'<div class="wide" tabindex="0" role="group" aria-label="table">{made}</div>'


def _listing(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    kind: str,
    marked: frozenset[int] = frozenset(),
    after: str = "",
) -> str:
    """A table whose rows may be laid out as lists. after: what follows a head there. marked: rows to stand out.

    Roles are said outright, since browsers forget them where rows are laid out as blocks.
    """
    head = "".join(f'<th scope="col" role="columnheader">{text_of(name)}</th>' for name in heads)
    body = "".join(
        ('<tr role="row" class="decides">' if n in marked else '<tr role="row">')
        + f'<th scope="row" role="rowheader">{text_of(row[0])}</th>'
        + "".join(
            f'<td role="cell" data-head="{text_of(name and name + after)}">{text_of(cell)}</td>'
            for name, cell in zip(heads[1:], row[1:], strict=True)
        )
        + "</tr>"
        for n, row in enumerate(rows)
    )
    shown = f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>' if any(heads) else ""
    return f'<table class="{kind}" role="table">{shown}<tbody role="rowgroup">{body}</tbody></table>'


def prose_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], marked: frozenset[int] = frozenset()
) -> str:
    """A table whose cells hold sentences: they wrap, and on a phone stand below one another."""
    return _listing(heads, rows, "prose", marked, ": ")


def bullets(lines: Sequence[str]) -> str:
    """A list; nothing for no lines."""
    return "<ul>" + "".join(f"<li>{prose_of(line)}</li>" for line in lines) + "</ul>" if lines else ""
