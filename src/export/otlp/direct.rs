//! Points straight from a reading, one entity after the other: those of metrics with too many for the SDK.
//!
//! Ten thousand processes as messages are 40 MB, so they are never all there at a time: each entity's are
//! made, given away and forgotten.

use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;

use crate::metric::{Metric, Point, Reading, Series};

/// The points of one entity, by metric.
pub(super) type Points = Vec<(&'static Metric, Vec<NumberDataPoint>)>;

/// Gives `each` the points of the host itself (no entity), then those of every entity, made by `make`, which may leave
/// one out.
pub(super) fn points(
    reading: &Reading,
    metrics: &[&'static Metric],
    mut make: impl FnMut(&Series, &Point) -> Option<NumberDataPoint>,
    mut each: impl FnMut(Option<usize>, Points),
) {
    let is_direct = |metric: &Metric| metrics.iter().any(|direct| std::ptr::eq(*direct, metric));
    let mut columns: Vec<_> = reading
        .series
        .iter()
        .filter(|series| !series.points.is_empty() && is_direct(series.metric))
        .map(|series| {
            let mut points: Vec<&Point> = series.points.iter().collect();
            // In order already, as collectors push them; the order is what the walk below rests on.
            points.sort_by_key(|point| point.entity);
            (series, points.into_iter().peekable())
        })
        .collect();
    if columns.is_empty() {
        return;
    }
    for entity in std::iter::once(None).chain((0..reading.entities.len()).map(Some)) {
        let index = entity.map(|entity| entity as u32);
        let mut found = Points::new();
        for (series, column) in &mut columns {
            let mut own = Vec::new();
            while let Some(point) = column.next_if(|point| point.entity == index) {
                own.extend(make(series, point));
            }
            if !own.is_empty() {
                found.push((series.metric, own));
            }
        }
        if !found.is_empty() {
            each(entity, found);
        }
    }
}
