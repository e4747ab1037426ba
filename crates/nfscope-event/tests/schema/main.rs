//! Holds `docs/events.schema.json` to what is written.

mod changes;
mod probes;
mod resets;
mod samples;
mod steps;

use std::collections::BTreeSet;

use nfscope_event::{Event, Step};
use serde_json::Value;

use samples::events;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/events.schema.json"))
        .expect("the schema is JSON")
}

/// Readers must accept unknown fields, but an undocumented one is a mistake:
/// the schema as published, with every object closed.
fn closed(mut schema: Value) -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.values_mut().for_each(close);
                if map.get("properties").is_some_and(Value::is_object) {
                    map.insert("additionalProperties".into(), false.into());
                }
            }
            Value::Array(values) => values.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut schema);
    schema
}

#[test]
fn every_event_is_as_the_schema_says() {
    let validator = jsonschema::validator_for(&closed(schema())).unwrap();
    for event in events() {
        let value = serde_json::to_value(&event).unwrap();
        if let Err(error) = validator.validate(&value) {
            panic!("{error} at {} in {value}", error.instance_path());
        }
    }
}

#[test]
fn what_the_schema_names_is_written() {
    fn properties(schema: &Value, names: &mut BTreeSet<String>) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    names.extend(properties.keys().cloned());
                }
                map.values().for_each(|value| properties(value, names));
            }
            Value::Array(values) => values.iter().for_each(|value| properties(value, names)),
            _ => {}
        }
    }
    fn keys(value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                names.extend(map.keys().cloned());
                map.values().for_each(|value| keys(value, names));
            }
            Value::Array(values) => values.iter().for_each(|value| keys(value, names)),
            _ => {}
        }
    }
    let (mut named, mut written) = (BTreeSet::new(), BTreeSet::new());
    properties(&schema(), &mut named);
    events().iter().for_each(|event| keys(&serde_json::to_value(event).unwrap(), &mut written));
    assert_eq!(named, written);
}

#[test]
fn the_closed_schema_refuses_what_is_wrong() {
    let validator = jsonschema::validator_for(&closed(schema())).unwrap();
    let good = serde_json::to_value(&events()[0]).unwrap();
    assert!(validator.is_valid(&good));
    for (pointer, wrong) in [
        ("/type", Value::from("dropped")),
        ("/time_ns", Value::from(-1)),
        ("/cause/kind", Value::from("kernel")),
        ("/cause/verdict", Value::from("accept")),
        ("/packet/link/source", Value::from("02:00")),
        ("/packet/vlan/0/id", Value::from("7")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&bad), "{pointer}");
    }
    let mut bad = good;
    bad["packet"]["bytes"] = Value::from("secret");
    assert!(!validator.is_valid(&bad), "a field nobody documented");
}

#[test]
fn events_read_back() {
    for mut event in events() {
        let text = serde_json::to_string(&event).unwrap();
        match &mut event {
            Event::Drop(drop) => drop.packet.bytes.clear(),
            Event::Trace(trace) => match &mut trace.step {
                Step::Enter(enter) => enter.packet.bytes.clear(),
                Step::EnterTable(enter) => enter.packet.bytes.clear(),
                Step::Function(passed) => {
                    passed.packet.iter_mut().for_each(|packet| packet.bytes.clear());
                }
                _ => {}
            },
            Event::Stack(_)
            | Event::Change(_)
            | Event::Reset(_)
            | Event::Probe(_)
            | Event::ProbeCount(_)
            | Event::ProbeHistogram(_)
            | Event::Lost(_)
            | Event::Notice(_) => {}
        }
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
    }
}
