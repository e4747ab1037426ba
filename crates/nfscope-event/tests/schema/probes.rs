//! Events of `nfscope probe`.

use nfscope_event::{
    CallStack, Event, Frame, Probe, ProbeBucket, ProbeCount, ProbeField, ProbeHistogram,
    ProbeValue, Process, StackContext, StackState,
};

use super::samples::text;

fn field(value: Option<ProbeValue>, name: Option<&str>) -> ProbeField {
    ProbeField { name: "sk.sk_mark".into(), value, text: name.and_then(text), cut: false }
}

/// Whole ones, and bare ones.
pub fn probes() -> Vec<Event> {
    let fields = vec![
        field(Some(ProbeValue::Number(u64::MAX)), Some("AF_INET")),
        field(Some(ProbeValue::Negative(-1)), None),
        field(Some(ProbeValue::Bool(true)), None),
        ProbeField { cut: true, ..field(Some(ProbeValue::Text("eth0".into())), None) },
        field(Some(ProbeValue::List(vec![ProbeValue::Number(1)])), Some("[1]")),
        field(None, None),
    ];
    let whole = Probe {
        time_ns: 1,
        cpu: 0,
        place: "vfs_open".into(),
        module: text("nf_tables"),
        context: StackContext::Process,
        process: Some(Process { pid: 1, command: "cat".into() }),
        thread: Some(2),
        fields: fields.clone(),
        latency_ns: Some(3),
        stack: Some(CallStack { frames: vec![Frame::default()], state: StackState::Cut }),
    };
    let bare = Probe {
        module: None,
        context: StackContext::Interrupt,
        process: None,
        thread: None,
        fields: Vec::new(),
        latency_ns: None,
        stack: None,
        ..whole.clone()
    };
    let bucket =
        ProbeBucket { low: ProbeValue::Negative(-1), high: ProbeValue::Number(0), count: 2 };
    vec![
        Event::Probe(Box::new(whole)),
        Event::Probe(Box::new(bare)),
        Event::ProbeCount(ProbeCount { time_ns: 1, count: 2, fields }),
        Event::ProbeHistogram(ProbeHistogram {
            time_ns: 1,
            name: "ret".into(),
            buckets: vec![bucket],
        }),
    ]
}
