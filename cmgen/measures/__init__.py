"""Measures of a finished run beyond the paper's own: agreement, quality, diversity, controls.

`agreement`, `quality`, `diversity` and `sound` are pure functions of arrays; `windows`, `trained`
and `inception` make those arrays with networks; `runner` measures a whole run.
"""
