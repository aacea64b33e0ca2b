"""The style of every piece: colours of the notebook are inherited, ours are readable on light and dark."""

STATES = {
    "CREATED": "#6e7781",
    "PENDING": "#9a6700",
    "RUNNING": "#0969da",
    "COMPLETED": "#1a7f37",
    "ERROR": "#cf222e",
    "STOPPED": "#8250df",
    "RESUME": "#9a6700",
}
PHASES = {
    "client": "#8c959f",
    "api": "#57606a",
    "queue": "#d4a72c",
    "scheduling": "#bf8700",
    "image pull": "#bf3989",
    "init": "#e85aad",
    "start": "#6e7781",
    "requirements": "#a475f9",
    "import": "#4ac26b",
    "inputs": "#1b7c83",
    "user code": "#2f81f7",
    "run": "#2f81f7",
    "outputs": "#e0823d",
    "upload": "#c24b1a",
    "retry": "#d4a72c",
    "finish": "#6e7781",
}
# One class on the root, so that nothing else in the notebook is touched, and two in each selector, so that the notebook's own
# rules for tables do not win.
CSS = """
.rw{font-size:13px;line-height:1.45;max-width:1100px;margin:2px 0}
.rw .rw-h{display:flex;flex-wrap:wrap;align-items:center;gap:4px 10px;margin-bottom:6px}
.rw .rw-n{font-weight:600;font-size:14px}
.rw .rw-b{color:#fff;border-radius:10px;padding:1px 9px;font-size:11px;font-weight:600;white-space:nowrap}
.rw .rw-m{opacity:.68}
.rw code,.rw pre,.rw .rw-c{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px;
background:none;color:inherit;padding:0}
.rw pre{background:rgba(127,127,127,.1);border-radius:5px;padding:7px 10px;margin:4px 0;overflow:auto;
max-height:320px;white-space:pre;line-height:1.4}
.rw table.rw-t{border-collapse:collapse;border:none;margin:4px 0;font-size:12px;table-layout:auto;color:inherit}
.rw table.rw-t th,.rw table.rw-t td{text-align:left;vertical-align:top;padding:2px 12px 2px 0;border:none;
background:none;max-width:520px;overflow-wrap:anywhere;color:inherit;white-space:normal}
.rw table.rw-t thead th{border-bottom:1px solid rgba(127,127,127,.45);font-weight:600;white-space:nowrap}
.rw table.rw-t tbody tr{background:none;border-bottom:1px solid rgba(127,127,127,.16)}
.rw table.rw-t td.rw-r,.rw table.rw-t th.rw-r{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.rw .rw-w{white-space:nowrap}
.rw .rw-x{min-width:180px}
.rw .rw-s{overflow-x:auto;max-width:100%}
.rw .rw-g{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:3px 14px}
.rw .rw-g>.rw-k{opacity:.68}
.rw .rw-g>div{overflow-wrap:anywhere;min-width:0}
.rw .rw-e{border-left:3px solid #cf222e;background:rgba(207,34,46,.1);border-radius:0 5px 5px 0;
padding:6px 10px;margin:6px 0;overflow-wrap:anywhere}
.rw .rw-bar{display:flex;height:9px;border-radius:5px;overflow:hidden;background:rgba(127,127,127,.2);
margin:3px 0;max-width:560px}
.rw .rw-bar>span{min-width:2px}
.rw .rw-l{display:flex;flex-wrap:wrap;gap:2px 12px;font-size:11px}
.rw .rw-l i{display:inline-block;width:8px;height:8px;border-radius:2px;margin-right:4px}
.rw details{margin:4px 0}
.rw summary{cursor:pointer}
.rw svg{vertical-align:middle}
.rw img{max-width:min(420px,100%);height:auto;background:#fff;border-radius:4px;margin:4px 0}
.rw .rw-ln{opacity:.45;user-select:none;display:inline-block;width:3.2em;text-align:right;margin-right:1em}
""".replace("\n", "")
