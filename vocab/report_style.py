"""The style sheet of the review's report: calm on a screen, readable on a phone and on paper."""

from typing import Final

from vocab.charts import STYLE as CHARTS
from vocab.page import BASE

STYLE: Final = (
    BASE
    + CHARTS
    + """
header, .columns, footer { max-width: 1240px; margin: 0 auto; padding-left: 24px;
  padding-right: 24px; }
.columns { display: grid; grid-template-columns: 168px minmax(0, 1fr); gap: 40px; }
main { max-width: none; margin: 0; padding: 0; }
nav { position: sticky; top: 0; align-self: start; padding-top: 40px; }
nav ul { list-style: none; margin: 0; padding: 0; font-size: 14px; }
nav a { display: block; padding: 4px 0; color: var(--soft); text-decoration: none; }
nav a:hover, nav a:focus-visible { color: var(--kept); }
header .note { margin: 0; font-size: 15px; }
section { padding-top: 1px; }
h2 { margin: 40px 0 10px; }
h3 { margin: 28px 0 4px; font-size: 16px; }
.note { max-width: 72ch; }
dl { gap: 10px 40px; }
dd { font-size: 24px; }
.meter { height: 8px; margin: 18px 0 22px; border-radius: 4px; overflow: hidden;
  background: color-mix(in srgb, var(--kept) 16%, var(--card)); }
.meter b { display: block; height: 100%; background: var(--kept); }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr));
  align-items: start; margin-top: 12px; }
figcaption { font-weight: 600; margin-bottom: 4px; }
figure .note { margin: 0 0 8px; font-size: 13px; }
figure details dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; }
figure details dl dt { font-weight: 600; }
figure details dl dd { font-size: 13px; font-weight: 400; }
details { margin-top: 10px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; min-width: 100%;
  font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px 5px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; white-space: nowrap; }
td:last-child, th:last-child { padding-right: 0; }
th.n, td.n { text-align: right; white-space: nowrap; }
td { white-space: nowrap; }
td.long { white-space: normal; min-width: 240px; overflow-wrap: anywhere; }
table.matrix { min-width: 0; }
table.matrix td { text-align: center; padding: 8px 14px; min-width: 64px; border: 0;
  background: color-mix(in srgb, var(--kept) calc(var(--depth, 0%) * .55), var(--card)); }
table.matrix small { display: block; color: var(--soft); font-size: 11px; }
table.matrix th { padding: 8px 14px 8px 0; border: 0; vertical-align: middle; }
code { font-size: 13px; }
@media (max-width: 900px) {
  .columns { display: block; }
  nav { position: static; padding-top: 16px; }
  nav ul { display: flex; flex-wrap: wrap; gap: 0 18px; }
}
@media (max-width: 520px) {
  header, .columns, footer { padding-left: 14px; padding-right: 14px; }
  figure { padding: 12px 10px; }
  dl { gap: 10px 24px; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #1d1f21; --soft: #63676c;
    --line: #d8d8d4; }
  body { font-size: 11pt; }
  nav { display: none; }
  .columns { display: block; }
  figure, tr, dl { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .bar, .meter, .meter b, table.matrix td { print-color-adjust: exact; }
}
"""
)
