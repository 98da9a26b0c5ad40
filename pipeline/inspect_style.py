"""The style sheet of the page that `inspect` writes; kinds differ in colour and in underline."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark;
  --paper: #fafaf8; --card: #fff; --ink: #1d1f21; --soft: #63676c; --line: #e3e3df;
  --object: #1f5fbf; --scene: #1e7d4f; --attribute: #a85d00; --action: #a6248f; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #17181a; --card: #202225; --ink: #e8e8e5; --soft: #9da1a6; --line: #34373b;
  --object: #7fb0ff; --scene: #6fd3a0; --attribute: #f0b35a; --action: #f08bdc; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 1280px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 32px; }
h1 { margin: 0 0 12px; font-size: 28px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 36px 0 0; font-size: 20px; }
.note, footer { color: var(--soft); font-size: 14px; }
.note { margin: 4px 0 14px; }
.legend mark { margin-left: 10px; }
dl { display: flex; flex-wrap: wrap; gap: 8px 32px; margin: 0; }
dl div { display: flex; flex-direction: column-reverse; }
dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; }
.object { --kind: var(--object); --mark: solid; }
.scene { --kind: var(--scene); --mark: double; }
.attribute { --kind: var(--attribute); --mark: dotted; }
.action { --kind: var(--action); --mark: wavy; }
mark { background: none; color: var(--kind); font-weight: 600;
  text-decoration: underline var(--mark) var(--kind) 2px; text-underline-offset: 4px; }
mark.scene { text-decoration-thickness: 1px; }
mark.action { text-decoration-thickness: 1px; }
.charts { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); }
figure, article { margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden; }
figure { padding: 14px 16px; }
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
article { display: flex; flex-direction: column; }
article img, article .missing { display: block; width: 100%; height: 220px; object-fit: contain;
  background: color-mix(in srgb, var(--ink) 6%, var(--card)); }
article .missing { display: grid; place-items: center; padding: 16px; color: var(--soft); }
article ul { margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; }
.captions { padding: 12px 16px 0; }
.captions li { margin-bottom: 6px; }
summary { color: var(--soft); font-size: 13px; cursor: pointer; margin-bottom: 6px; }
article .captions { padding: 12px 16px 0; }
article .chips { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px 16px 0; }
.chips li { color: var(--kind, var(--soft)); font-size: 12px; line-height: 18px; padding: 0 8px;
  border: 1px solid currentColor; border-bottom: 3px var(--mark, solid) currentColor;
  border-radius: 6px; }
.chips .action { border-bottom-style: dashed; }
.key { margin: auto 16px 0; padding: 10px 0 12px; color: var(--soft); font-size: 12px;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
footer { padding-top: 32px; padding-bottom: 32px; }
"""
