"""The style sheet of the page that `inspect` writes; kinds differ in colour and in underline."""

from typing import Final

from vocab.page import BASE

STYLE: Final = (
    BASE
    + """
.legend mark { margin-left: 10px; }
mark { background: none; color: var(--kind); font-weight: 600;
  text-decoration: underline var(--mark) var(--kind) 2px; text-underline-offset: 4px; }
mark.scene { text-decoration-thickness: 1px; }
mark.action { text-decoration-thickness: 1px; }
article { margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden; display: flex; flex-direction: column; }
figcaption { display: flex; justify-content: space-between; margin-bottom: 10px; }
figcaption span, figure p { color: var(--soft); font-size: 13px; }
figure ol { list-style: none; margin: 0; padding: 0; font-size: 13px; }
figure li { display: grid; grid-template-columns: 96px 1fr 52px; gap: 8px; align-items: center; }
figure bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
figure i { background: color-mix(in srgb, var(--kind) 12%, transparent); border-radius: 3px; }
figure b { display: block; height: 10px; min-width: 2px; border-radius: 3px;
  background: var(--kind); }
figure li span { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
.samples { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); }
article img, article .missing { display: block; width: 100%; height: 220px; object-fit: contain;
  background: color-mix(in srgb, var(--ink) 6%, var(--card)); }
article .missing { display: grid; place-items: center; padding: 16px; color: var(--soft); }
article ul { margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; }
.captions { padding: 12px 16px 0; }
.captions li { margin-bottom: 6px; }
article .captions { padding: 12px 16px 0; }
article .chips { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px 16px 0; }
.chips li { color: var(--kind, var(--soft)); font-size: 12px; line-height: 18px; padding: 0 8px;
  border: 1px solid currentColor; border-bottom: 3px var(--mark, solid) currentColor;
  border-radius: 6px; }
.chips .action { border-bottom-style: dashed; }
.key { margin: auto 16px 0; padding: 10px 0 12px; color: var(--soft); font-size: 12px;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
"""
)
