"""The status page at `/` of the private surface: what the deployment does now, and the buttons of an operator.

In reading order:

* `routes`: what the page asks for, and what its buttons send.
* `recorder`: the looks at the deployment, also while no page is open.
* `history`: their samples of the last 30 minutes.
* `browser_requests`: the token, and which requests of a browser are refused.
* `static_files`: the page itself, and the headers that it is served with; `static/` holds HTML, CSS and JavaScript.
"""
