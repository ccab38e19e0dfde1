"""A web application that is named by the semantic conventions for HTTP servers."""

from build import dashboard, datasource, panel, variable

S = 'job=~"$job", http_route=~"$route"'
R = "[$__rate_interval]"
COUNT = "http_server_request_duration_seconds_count"
ERRORS = ', http_response_status_code=~"5.."'


def rate(by, more="", name=COUNT):
    sum_by = f"sum by ({by})" if by else "sum"
    return f"{sum_by} (rate({name}{{{S}{more}}}{R}))"


def quantile(q, by=""):
    return f'histogram_quantile({q}, {rate("le" + by, name="http_server_request_duration_seconds_bucket")})'


def share(by="", more=ERRORS):
    return f"({rate(by, more)} or {rate(by)} * 0) / {rate(by)}"


def number(title, about, unit, expression, steps=()):
    return panel(title, about, unit, (expression, title), kind="stat", width=6, steps=list(steps))


DASHBOARD = dashboard(
    "web", "Web application", "Rate, errors and duration of requests. Works for every service with `http.server.request.duration`.", [
        datasource(),
        variable("job", "Service", f"label_values({COUNT}, job)"),
        variable("route", "Endpoint", f'label_values({COUNT}{{job=~"$job"}}, http_route)'),
    ], [
        ("Now", [
            number("Requests", "A second.", "reqps", rate("")),
            number("Errors", "Share of 5xx.", "percentunit", share(), [(0.02, "orange"), (0.1, "red")]),
            number("p95", "Nineteen of twenty requests are faster.", "s", quantile(0.95),
                   [(0.5, "orange"), (1, "red")]),
            number("Active", "Requests that are being answered.", "short",
                   'sum(http_server_active_requests{job=~"$job"})'),
        ]),
        ("Requests", [
            panel("By endpoint", "A second.", "reqps", (rate("http_route"), "{{http_route}}"), stack=True),
            panel("By status code", "A second.", "reqps",
                  (rate("http_response_status_code"), "{{http_response_status_code}}"), stack=True),
            panel("By method", "A second.", "reqps", (rate("http_request_method"), "{{http_request_method}}"),
                  stack=True),
        ]),
        ("Duration", [
            panel("Percentiles", "Half, nineteen of twenty, and ninety-nine of a hundred requests are faster.", "s",
                  (quantile(0.5), "p50"), (quantile(0.95), "p95"), (quantile(0.99), "p99")),
            panel("p95 by endpoint", "Nineteen of twenty requests are faster.", "s",
                  (quantile(0.95, ", http_route"), "{{http_route}}")),
            panel("Mean by endpoint", "Of all requests.", "s",
                  (f'{rate("http_route", name="http_server_request_duration_seconds_sum")} / {rate("http_route")}',
                   "{{http_route}}")),
            panel("Active", "Requests that are being answered, by service.", "short",
                  ('sum by (job) (http_server_active_requests{job=~"$job"})', "{{job}}"), width=12),
            panel("Within a quarter of a second", "Share of requests that took at most 0.25 s.", "percentunit",
                  (f"""{rate("job", ', le="0.25"', "http_server_request_duration_seconds_bucket")} / {rate("job")}""",
                   "{{job}}"),
                  top=1, width=12),
        ]),
        ("Errors", [
            panel("Share", "Of 5xx by endpoint.", "percentunit", (share("http_route"), "{{http_route}}")),
            panel("5xx", "A second, by endpoint and type.", "reqps",
                  (rate("http_route, error_type", ERRORS), "{{http_route}} {{error_type}}")),
            panel("4xx", "A second, by endpoint and code: whoever asked is at fault.", "reqps",
                  (rate("http_route, http_response_status_code", ', http_response_status_code=~"4.."'),
                   "{{http_route}} {{http_response_status_code}}")),
        ]),
    ])
