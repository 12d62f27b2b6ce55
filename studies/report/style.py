"""The page's style sheet. Figures stand on white in the dark too, so that one drawing serves screens and paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b2127; --soft: #57616c; --paper: #ffffff; --line: #d3d9e0; --band: #f3f6f9;
  --link: #00558f; --mark: #0072b2 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7eaee; --soft: #a6b0ba; --paper: #14181c; --line: #373f48; --band: #1d2329; --link: #7cc4f5 }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100% }
body { margin: 0 auto; padding: 24px clamp(14px, 3vw, 28px) 64px; max-width: 840px; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  overflow-wrap: anywhere }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 6px }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid var(--line) }
h3 { font-size: 1.05rem; margin: 26px 0 6px }
header + section h2 { margin-top: 18px; padding-top: 0; border-top: 0 }
p { margin: 8px 0 }
a { color: var(--link) }
.question { font-size: 1.15rem; margin: 0 0 8px }
.facts, .soft, figcaption, caption { color: var(--soft); font-size: .9rem }
ul { margin: 8px 0; padding-left: 1.3em }
li { margin: 4px 0 }
.verdict { list-style: none; margin: 10px 0; padding: 10px 18px; background: var(--band);
  border-left: 5px solid var(--mark); border-radius: 0 6px 6px 0 }
.verdict li { margin: 9px 0 }
.verdict li:first-child { font-size: 1.15rem; line-height: 1.4; font-weight: 600; margin-bottom: 14px }
nav { margin: 26px 0 0; padding: 10px 18px; border: 1px solid var(--line); border-radius: 6px }
nav ul { margin: 0; padding: 0; list-style: none; columns: 2; column-gap: 28px }
nav li { margin: 0; padding: 3px 0; break-inside: avoid }
figure { margin: 18px 0 26px }
.card { background: #ffffff; border: 1px solid var(--line); border-radius: 6px; padding: 10px }
.card svg { display: block; width: 100%; max-width: 580px; height: auto; margin: 0 auto }
figcaption { margin-top: 8px }
figcaption strong { color: var(--ink) }
.scroll { overflow-x: auto; margin: 12px 0 }
.scroll:focus-visible, pre:focus-visible, summary:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px }
table { border-collapse: collapse; min-width: min(26rem, 100%);
  font-size: .875rem; line-height: 1.35; font-variant-numeric: tabular-nums;
  overflow-wrap: normal }
caption { text-align: left; padding-bottom: 6px; caption-side: top }
caption span { display: inline-block; position: sticky; left: 0; max-width: min(100vw - 28px, 780px) }
th, td { padding: 5px 7px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line) }
td { white-space: nowrap }
td.n, th.n { text-align: right }
th:first-child, td:first-child { padding-left: 4px }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom }
tbody th { font-weight: 500; white-space: nowrap }
td.w { white-space: normal; min-width: 16em }
tbody tr:nth-child(even) { background: var(--band) }
pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px; padding: 12px; overflow-x: auto;
  font: .85rem/1.45 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; white-space: pre; overflow-wrap: normal }
details { margin: 12px 0 }
summary { cursor: pointer; font-weight: 600; padding: 4px 0 }
@media (max-width: 560px) { nav ul { columns: 1 } body { padding-top: 16px } .card { padding: 4px } }
@page { margin: 16mm 15mm }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #333; --paper: #fff; --line: #bbb; --band: #f3f3f3; --link: #000 }
  body { max-width: none; padding: 0; font-size: 10.5pt }
  nav { display: none }
  h2, h3 { break-after: avoid }
  h2 { margin-top: 20px }
  figure, tr, .verdict li { break-inside: avoid }
  .card { border: 0; padding: 0 }
  .card svg { width: 12.6cm; max-width: 100% }
  caption span { position: static; max-width: none }
  thead { display: table-header-group }
  .scroll { overflow: visible }
  table { font-size: 8.5pt }
  th, td { padding: 3px 6px }
  td, tbody th, thead th { white-space: normal }
  td.n { white-space: nowrap }
  pre { white-space: pre-wrap; font-size: 8pt; border-color: #bbb }
  details::details-content { content-visibility: visible; height: auto }
  details.screen::details-content { display: none }
  summary { list-style: none }
  details.screen > summary::after { content: ' (on screen only)'; font-weight: 400 }
  a { text-decoration: none }
}
""".strip()
