"""What the web application is there for: the questions that its router gives to workers."""

from build import dashboard, datasource, panel, variable

S = 'job=~"$job", app_worker=~"$worker"'
R = "[$__rate_interval]"


def rate(name, by="", more=""):
    sum_by = f"sum by ({by})" if by else "sum"
    return f"{sum_by} (rate({name}{{{S}{more}}}{R}))"


def quantile(q):
    return f'histogram_quantile({q}, {rate("app_worker_duration_seconds_bucket", "le, app_worker")})'


def number(title, about, unit, expression):
    return panel(title, about, unit, (expression, title), kind="stat", width=6)


DASHBOARD = dashboard(
    "business", "Web application: business", "Questions, workers and tokens of examples/webapp.", [
        datasource(),
        variable("job", "Service", "label_values(app_router_decisions_total, job)"),
        variable("worker", "Worker", 'label_values(app_router_decisions_total{job=~"$job"}, app_worker)'),
    ], [
        ("Now", [
            number("Questions", "In the last hour.", "short", f"sum(increase(app_router_decisions_total{{{S}}}[1h]))"),
            number("Answered", "Share of the questions.", "percentunit",
                   f'1 - ({rate("app_worker_errors_total")} or vector(0)) / {rate("app_router_decisions_total")}'),
            number("Orders", "In the last hour.", "short",
                   'sum(increase(http_server_request_duration_seconds_count{job=~"$job", http_route="/api/orders",'
                   ' http_response_status_code="201"}[1h]))'),
            number("Tokens", "In the last hour.", "short", f"sum(increase(app_worker_tokens_total{{{S}}}[1h]))"),
        ]),
        ("Router", [
            panel("Questions by worker", "A second.", "short",
                  (rate("app_router_decisions_total", "app_worker"), "{{app_worker}}"), stack=True, width=12),
            panel("Confidence", "How sure the router was of its last choice of each worker.", "percentunit",
                  (f"avg by (app_worker) (app_router_confidence_ratio{{{S}}})", "{{app_worker}}"), top=1, width=12),
        ]),
        ("Workers", [
            panel("p50", "Half of the tasks are done in less.", "s", (quantile(0.5), "{{app_worker}}")),
            panel("p95", "Nineteen of twenty tasks are done in less.", "s", (quantile(0.95), "{{app_worker}}")),
            panel("In hand", "Tasks that are being worked on.", "short",
                  (f"sum by (app_worker) (app_worker_tasks{{{S}}})", "{{app_worker}}"), stack=True),
            panel("Errors", "A second, by type.", "short",
                  (rate("app_worker_errors_total", "app_worker, error_type"),
                   "{{app_worker}} {{error_type}}"), stack=True),
            panel("Share of errors", "Of each worker's tasks.", "percentunit",
                  (f'{rate("app_worker_errors_total", "app_worker")} / {rate("app_router_decisions_total", "app_worker")}', "{{app_worker}}")),
            panel("Tokens", "A second.", "short",
                  (rate("app_worker_tokens_total", "app_worker, app_token_direction"),
                   "{{app_worker}} {{app_token_direction}}"), stack=True),
            panel("Tokens for an answer", "Read and written, on average.", "short",
                  (f'{rate("app_worker_tokens_total", "app_token_direction")} / scalar({rate("app_router_decisions_total")})',
                   "{{app_token_direction}}"), width=24),
        ]),
    ])
