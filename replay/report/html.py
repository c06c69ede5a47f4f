"""What the pages are made of: the page itself, its style, figures with a table behind each, tables, escaped text.

Nothing is loaded from anywhere, and no script runs. Everything that comes from a trace or a target is escaped. Pages
follow the reader's light or dark setting, narrow to a phone, and print.
"""

from collections.abc import Sequence
from html import escape

from replay.report.charts import Chart, as_svg

_CSS = """
:root{color-scheme:light dark;--fg:#1f2937;--dim:#6b7280;--line:#e5e7eb;--bg:#fff;--card:#f9fafb}
@media(prefers-color-scheme:dark){:root{--fg:#e5e7eb;--dim:#9ca3af;--line:#374151;--bg:#111827;--card:#1f2937}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{max-width:860px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.5rem;margin:0 0 4px}h2{font-size:1.15rem;margin:40px 0 4px}
p{margin:4px 0}.dim{color:var(--dim)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.card b{display:block;font-size:1.5rem;font-weight:650}.card span{color:var(--dim);font-size:.85rem}
.verdict{border-left:4px solid var(--dim);padding:8px 14px;background:var(--card);margin:16px 0}
.pass,.b_faster,.no_difference,.found{border-color:#10b981}.fail,.a_faster{border-color:#ef4444}
.inconclusive,.at_least,.not_reached{border-color:#f59e0b}
figure{margin:12px 0;overflow-x:auto}svg{max-width:100%;height:auto}
td{white-space:nowrap}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}th,td{padding:4px 12px 4px 0;text-align:right;border-bottom:1px solid var(--line)}
th{color:var(--dim);font-weight:500}th:first-child,td:first-child{text-align:left}
td.long{text-align:left;white-space:normal;overflow-wrap:anywhere}
td.name{text-align:left}
.answer{font-size:1.6rem;line-height:1.3;font-weight:650;margin:4px 0 12px}
.doubt{border-left:4px solid #f59e0b;padding:8px 14px;background:var(--card);margin:16px 0}
.card dl{display:grid;grid-template-columns:1fr auto;gap:2px 12px;margin:4px 0 0}
.card dt{color:var(--dim)}.card dd{margin:0;font-weight:650;text-align:right}
.decides td{font-weight:600}
.prose th{text-align:left}.prose td{vertical-align:top}
.prose td:first-child{overflow-wrap:normal;min-width:8.5em}.prose td:nth-child(2){overflow-wrap:normal}
nav a{color:inherit;margin-right:14px}
ul{padding-left:20px}li{margin:4px 0}
details{margin:4px 0}summary{cursor:pointer;color:var(--dim)}
a:focus-visible,summary:focus-visible{outline:2px solid #3b82f6;outline-offset:2px}
@media print{details{display:none}h2{break-after:avoid}figure{break-inside:avoid}}
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
    return escape(text, quote=True)


def figure(chart: Chart | None, of: str = "") -> str:
    """A chart with its heading, what it shows in words, and its table. Raises ChartError where none can be drawn."""
    if chart is None:
        return ""
    # The picture says in words what it shows; a reader of the page without eyes for it has the table.
    svg = as_svg(chart).replace("<svg ", f'<svg role="img" aria-label="{text_of(chart.says)}" ', 1)
    return (
        f'<h2>{text_of(chart.title + of)}</h2><p class="dim">{text_of(chart.says)}</p><figure>{svg}</figure>'
        f"<details><summary>as a table</summary>{table(chart.heads, chart.rows)}</details>"
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are escaped."""
    head = "".join(f'<th scope="col">{text_of(name)}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{text_of(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
