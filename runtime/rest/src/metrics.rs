//! `/metrics`: Prometheus text, by the names users of Connect alert on.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use rowtide_engine::status::{Board, ConnectorView, TaskView};
use rowtide_engine::store::status::State as Status;

use crate::routes::Shared;

pub(crate) async fn text(State(server): State<Shared>) -> impl IntoResponse {
    let text = render(server.herder.board(), server.version);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// One family per name: its type, then its samples.
#[derive(Default)]
struct Families(BTreeMap<String, (&'static str, Vec<String>)>);

impl Families {
    fn sample(&mut self, name: &str, kind: &'static str, labels: &[(&str, &str)], value: i64) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{}\"", escape(value)))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let family = self
            .0
            .entry(name.to_owned())
            .or_insert_with(|| (kind, Vec::new()));
        family.1.push(format!("{name}{labels} {value}"));
    }

    fn text(self) -> String {
        let mut text = String::new();
        for (name, (kind, samples)) in self.0 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# TYPE {name} {kind}");
            samples.iter().for_each(|sample| {
                let _ = writeln!(text, "{sample}");
            });
        }
        text
    }
}

fn render(board: &Board, version: &str) -> String {
    let views = board.all();
    let mut families = Families::default();
    families.sample("rowtide_build_info", "gauge", &[("version", version)], 1);
    families.sample(
        "kafka_connect_worker_connector_count",
        "gauge",
        &[],
        count(views.len()),
    );
    families.sample(
        "kafka_connect_worker_task_count",
        "gauge",
        &[],
        count(views.values().map(|view| view.tasks.len()).sum()),
    );
    for (kind, startups) in [
        ("connector", board.connector_startups()),
        ("task", board.task_startups()),
    ] {
        for (end, total) in startups.totals() {
            let metric = format!("kafka_connect_worker_{kind}_startup_{end}_total");
            families.sample(&metric, "counter", &[], i64::try_from(total).unwrap_or(i64::MAX));
        }
    }
    for (name, view) in &views {
        connector(&mut families, name, view, version);
    }
    families.text()
}

fn connector(families: &mut Families, name: &str, view: &ConnectorView, version: &str) {
    let status = lower(view.status.state);
    let mut infos = vec![
        ("status", "status", &*status),
        ("connector_class", "connector_class", &view.class),
        ("connector_type", "connector_type", view.kind),
    ];
    if !view.class.is_empty() {
        // Connectors are part of the worker.
        infos.push(("connector_version", "connector_version", version));
    }
    for (metric, label, value) in infos {
        let metric = format!("kafka_connect_connector_{metric}");
        families.sample(&metric, "gauge", &[("connector", name), (label, value)], 1);
    }
    let total = count(view.tasks.len());
    families.sample(
        "kafka_connect_worker_connector_total_task_count",
        "gauge",
        &[("connector", name)],
        total,
    );
    for state in [
        Status::Running,
        Status::Paused,
        Status::Failed,
        Status::Unassigned,
        Status::Restarting,
    ] {
        let metric = format!("kafka_connect_worker_connector_{}_task_count", lower(state));
        let tasks = view
            .tasks
            .values()
            .filter(|task| task.status.state == state)
            .count();
        families.sample(&metric, "gauge", &[("connector", name)], count(tasks));
    }
    for (number, view) in &view.tasks {
        task(
            families,
            &[("connector", name), ("task", &number.to_string())],
            view,
        );
    }
}

fn lower(state: Status) -> String {
    state.name().to_ascii_lowercase()
}

fn task(families: &mut Families, own: &[(&str, &str); 2], task: &TaskView) {
    families.sample(
        "kafka_connect_connector_task_status",
        "gauge",
        &[own[0], own[1], ("status", &lower(task.status.state))],
        1,
    );
    let progress = task.progress.state();
    let degraded = progress.degraded.is_some();
    families.sample("rowtide_task_degraded", "gauge", own, i64::from(degraded));
    families.sample(
        "rowtide_task_warnings",
        "gauge",
        own,
        count(progress.warnings.len()),
    );
    for (metric, value, is_counter) in task.metrics.snapshot() {
        let mut labels = own.to_vec();
        labels.extend(metric.labels.iter().map(|(key, value)| (&**key, &**value)));
        families.sample(
            &metric.name,
            if is_counter { "counter" } else { "gauge" },
            &labels,
            value,
        );
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_one_type_line_and_escaped_labels() {
        let mut families = Families::default();
        families.sample("m", "counter", &[("c", "a\"b")], 1);
        families.sample("m", "counter", &[("c", "x")], 2);
        assert_eq!(
            families.text(),
            "# TYPE m counter\nm{c=\"a\\\"b\"} 1\nm{c=\"x\"} 2\n"
        );
    }
}
