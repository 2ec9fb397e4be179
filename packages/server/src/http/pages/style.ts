/** How the pages look: one style sheet and one icon, served as files, since the pages' policy allows nothing inline. */

export const STYLE_PATH = "/assets/holdfast.css";
export const ICON_PATH = "/assets/holdfast.svg";

export const STYLE = `:root{color-scheme:light dark;--page:#f4f5f8;--card:#fff;--text:#1b2130;--soft:#5a6375;--line:#dfe3ea;--accent:#1f5fd6;--on-accent:#fff;
--good:#1b7a43;--good-soft:#e3f4e9;--warn:#8a5a00;--warn-soft:#fdf1d8}
@media(prefers-color-scheme:dark){:root{--page:#12151c;--card:#1b202a;--text:#e8ebf1;--soft:#a2abbb;--line:#303747;--accent:#8ab4ff;--on-accent:#10141c;
--good:#7fd8a2;--good-soft:#183325;--warn:#edc069;--warn-soft:#3a2f14}}
*{box-sizing:border-box}
body{font:16px/1.55 system-ui,sans-serif;margin:0;padding:2rem 1rem 3rem;background:var(--page);color:var(--text)}
body>*{max-width:38rem;margin-left:auto;margin-right:auto}
header{display:flex;align-items:center;gap:.6rem;margin-bottom:1rem;font-weight:600}
header a{display:flex;align-items:center;gap:.6rem;color:inherit;text-decoration:none}
header img{width:1.75rem;height:1.75rem;display:block}
main{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.75rem}
main>:last-child{margin-bottom:0}
h1{font-size:1.4rem;line-height:1.3;margin:0 0 1rem}
h2{font-size:1.1rem;margin:0}
section>h2{margin-bottom:.75rem}
p{margin:0 0 1rem}
a{color:var(--accent)}
code{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}
.soft,small{color:var(--soft)}
.banner{background:var(--warn-soft);color:var(--warn);border-radius:.5rem;padding:.5rem .9rem;margin:0 auto 1rem;font-size:.875rem}
.mark{display:inline-flex;align-items:center;justify-content:center;width:2.25rem;height:2.25rem;border-radius:50%;margin-bottom:.75rem;font-weight:700}
.mark.good,.state.active{background:var(--good-soft);color:var(--good)}
.mark.bad,.state{background:var(--warn-soft);color:var(--warn)}
.state.plain{background:none;color:var(--soft);border:1px solid var(--line)}
.secret{background:var(--page);border:1px solid var(--line);border-radius:.5rem;padding:.75rem .9rem;user-select:all}
.state{border-radius:1rem;padding:.05rem .6rem;font-size:.8125rem;font-weight:600;white-space:nowrap}
ul.rows{list-style:none;margin:0 0 1.25rem;padding:0;border:1px solid var(--line);border-radius:.5rem}
ul.rows li{display:flex;flex-wrap:wrap;align-items:center;gap:.15rem .5rem;padding:.6rem .9rem}
ul.rows li+li{border-top:1px solid var(--line)}
ul.rows li>:first-child{flex:1 1 9rem;overflow-wrap:anywhere}
ul.rows small{display:block}ul.rows li>span:first-child:not(.name)::first-letter{text-transform:uppercase}
ul.rows form{display:flex;align-items:center;gap:.4rem}
ul.rows button.quiet{padding:.3rem .5rem}
ul.rows select{width:auto;margin:0;padding:.3rem .25rem;font-size:.9375rem}
details{margin:0 0 1.25rem;color:var(--soft);font-size:.9375rem}
summary{cursor:pointer}
details p{margin:.5rem 0 0}
section{border-top:1px solid var(--line);padding-top:1.25rem;margin-top:1.25rem}
section>p{margin-bottom:.75rem}
label{display:block;font-weight:600;margin-bottom:1.25rem}
label small{display:block;font-weight:400}
input,select{font:inherit;font-weight:400;color:inherit;width:100%;padding:.55rem .7rem;margin-top:.35rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
input::placeholder{color:var(--soft);opacity:.8}
button,a.button{display:inline-block;font:inherit;font-weight:600;padding:.6rem 1.25rem;border:0;border-radius:.5rem;background:var(--accent);color:var(--on-accent);text-decoration:none;cursor:pointer}
button.quiet{background:none;color:var(--soft);border:1px solid var(--line);font-weight:400;padding:.35rem .9rem;font-size:.9375rem}
time{white-space:nowrap}
form+p{margin-top:1.25rem}
form.end,p.end{margin-top:1.5rem;border-top:1px solid var(--line);padding-top:1.25rem}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
`;

/** Two links of a chain. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1f5fd6"/><g fill="none" stroke="#fff" stroke-width="3"><rect x="5" y="11.5" width="13" height="9" rx="4.5"/><rect x="14" y="11.5" width="13" height="9" rx="4.5"/></g></svg>`;
