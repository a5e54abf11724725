//! What is printed has exactly the documented keys: samples of every event that this crate or core defines are
//! checked against docs/schema.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::path::Path;

use corecurve_analysis::RunData;
use corecurve_analysis::findings::analyse;
use corecurve_core::{
    AcceptQueue, Adherence, ArrivalKind, BitRate, CapacityRecord, Cell, CellId, CollectorCost, Counters, Counts,
    CpuCounts, CpuId, CpuSplit, Dealing, ErrorClass, Event, Hardware, Interval, LimitCount, LinkBytes, Mat, MatKind,
    MatRecord, Missing, Mode, Nanos, Network, NetworkKind, NetworkRecord, PROBES, Placed, Plan, ProbeAmount, ProbeKind,
    ProbeStep, Purpose, Quantile, Quantiles, Quota, Reason, Replay, Rule, SCHEMA, Saturated, SearchSettings, Seat,
    Shares, Side, Slo, ThreadCounts, TrialRecord, Turn, Unread, WorkerShare, WorkerShares,
};
use serde_json::{Map, Value, json};

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/schema/{name}.schema.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The part of JSON Schema that docs/schema uses: type, const, enum, anyOf, $ref, properties, required,
/// additionalProperties, items, minItems, maxItems, minimum. Any other keyword is refused, so that none is ignored.
fn check(value: &Value, schema: &Value, root: &Value, place: &str) -> Result<(), String> {
    let known = [
        "$schema",
        "$defs",
        "title",
        "description",
        "type",
        "const",
        "enum",
        "anyOf",
        "$ref",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
        "minimum",
    ];
    let rules = schema.as_object().ok_or(format!("{place}: no schema"))?;
    if let Some(unknown) = rules.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("{place}: keyword {unknown} is not checked"));
    }
    if let Some(name) = rules.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#')).ok_or(format!("{place}: {name} leads nowhere"))?;
        check(value, target, root, place)?;
    }
    if let Some(choices) = rules.get("anyOf").and_then(Value::as_array) {
        let failures: Vec<String> = choices.iter().filter_map(|s| check(value, s, root, place).err()).collect();
        if failures.len() == choices.len() {
            return Err(failures.join(" and "));
        }
    }
    if rules.get("const").is_some_and(|constant| constant != value) {
        return Err(format!("{place}: {value} is not {}", rules["const"]));
    }
    if rules.get("enum").and_then(Value::as_array).is_some_and(|choices| !choices.contains(value)) {
        return Err(format!("{place}: {value} is none of {}", rules["enum"]));
    }
    if rules.get("minimum").and_then(Value::as_f64).zip(value.as_f64()).is_some_and(|(least, seen)| seen < least) {
        return Err(format!("{place}: {value} is too small"));
    }
    check_type(value, rules, place)?;
    check_members(value, rules, root, place)
}

fn check_type(value: &Value, rules: &Map<String, Value>, place: &str) -> Result<(), String> {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        _ => false,
    };
    let fits = match rules.get("type") {
        None => true,
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(is),
        Some(name) => name.as_str().is_some_and(is),
    };
    if fits { Ok(()) } else { Err(format!("{place}: {value} is not of type {}", rules["type"])) }
}

fn check_members(value: &Value, rules: &Map<String, Value>, root: &Value, place: &str) -> Result<(), String> {
    if let Value::Object(object) = value {
        let empty = Map::new();
        let properties = rules.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        for (key, member) in object {
            match properties.get(key) {
                Some(schema) => check(member, schema, root, &format!("{place}.{key}"))?,
                None if rules.get("additionalProperties") == Some(&json!(false)) => {
                    return Err(format!("{place}.{key} is not documented"));
                }
                None => {}
            }
        }
        let required = rules.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        if let Some(missing) = required.into_iter().find(|key| !object.contains_key(*key)) {
            return Err(format!("{place}.{missing} is missing"));
        }
    }
    if let (Value::Array(items), Some(schema)) = (value, rules.get("items")) {
        let bound = |key: &str| rules.get(key).and_then(Value::as_u64);
        let n = items.len() as u64;
        if bound("minItems").is_some_and(|least| n < least) || bound("maxItems").is_some_and(|most| n > most) {
            return Err(format!("{place}: {n} items"));
        }
        for (i, item) in items.iter().enumerate() {
            check(item, schema, root, &format!("{place}[{i}]"))?;
        }
    }
    Ok(())
}

/// The sample fits, and no key of it can go or be added without the schema noticing.
fn documented(name: &str, sample: &Value) {
    let schema = schema(name);
    check(sample, &schema, &schema, name).unwrap();
    let mut strange = sample.clone();
    strange.as_object_mut().unwrap().insert("colour".to_owned(), json!("new"));
    assert!(check(&strange, &schema, &schema, name).unwrap_err().contains("colour"));
    for key in sample.as_object().unwrap().keys() {
        let mut poorer = sample.clone();
        poorer.as_object_mut().unwrap().remove(key);
        let optional = [
            "errors",
            "unanswered",
            "replay",
            "shares",
            "counters",
            "load_cpu_s",
            "adherence",
            "cpu_per_request_ns",
            "transport",
            "network",
            "slug",
            "headline",
            "caveats",
        ]
        .contains(&key.as_str());
        assert!(optional || check(&poorer, &schema, &schema, name).is_err(), "{name}.{key} is not required");
    }
}

fn slo() -> Slo {
    "p99<5ms".parse().unwrap()
}

fn quantiles() -> Quantiles {
    let (p50, p99) = (Quantile::At(Nanos(5)), Quantile::Beyond);
    Quantiles { p50, p90: p50, p99, p999: Quantile::Unstated, max: p99, mean: Some(5.5), count: 9 }
}

fn trial() -> TrialRecord {
    let mut counts = Counts { scheduled: 9, sent: 9, ok: 8, ..Counts::default() };
    ErrorClass::ALL.into_iter().for_each(|class| counts.fail(class, 1));
    TrialRecord {
        schema: SCHEMA,
        cell: CellId("00-nginx".to_owned()),
        rep: 0,
        attempt: 0,
        trial: 1,
        purpose: Purpose::Search,
        target: "nginx".to_owned(),
        workload: "plaintext".to_owned(),
        placement: "compact".to_owned(),
        cores: 1,
        load_cores: 1,
        arrival: ArrivalKind::Poisson,
        connections: 8,
        transport: Some(corecurve_core::TransportKind::IoUring),
        network: Some(NetworkRecord {
            network: Network { kind: NetworkKind::Netns, cap: Some(BitRate(1_000_000_000)) },
            server_received_share: Some(1.0),
            load_received_share: None,
        }),
        seed: u64::MAX,
        schedule_sha256: String::new(),
        offered_per_s: 1.5,
        sent_per_s: 1.5,
        achieved_per_s: 1.5,
        counts,
        window_s: 1.0,
        warmup_s: 0.5,
        latency_ns: quantiles(),
        service_ns: quantiles(),
        send_lag_ns: Quantiles::default(),
        limits: vec![LimitCount { limit_ns: Nanos(5), over: 1 }],
        intervals: vec![Interval { over: vec![1], ..Interval::default() }],
        utilisation: None,
        generator_busy: Some(0.2),
        load_cpu_s: Some(0.3),
        adherence: Some(Adherence { within_ns: Nanos(50_000), free: 9, on_time: 8 }),
        counters: Some(counters()),
        replay: Some(Replay { count: 9, service_mean_ns: 2e5, error_p50_ns: -5, error_p99_ns: 900 }),
        shares: Some(Shares::Told(WorkerShares {
            dealing: Dealing::Hash,
            span_s: 1.1,
            workers: vec![WorkerShare { cpu: Some(CpuId(1)), ..WorkerShare::default() }],
        })),
        valid: false,
        invalid_reasons: vec![Reason::new(Rule::Steal, "2 %")],
        caveats: vec!["no PMU".to_owned()],
    }
}

/// With every key there can be.
fn counters() -> Counters {
    let event = Some(1.5);
    let hardware = Some(Hardware { running_share: 1.0, cycles: event, user_only: true, ..Hardware::default() });
    let (one, split) = (Some(1), CpuSplit { user_ns: Nanos(1), system_ns: Nanos(2) });
    let thread = ThreadCounts {
        cpu: Some(CpuId(1)),
        run_delay_ns: Some(Nanos(1)),
        voluntary_switches: one,
        involuntary_switches: one,
        migrations: one,
        minor_faults: one,
        major_faults: one,
        hardware,
        ..ThreadCounts::default()
    };
    let cpu = CpuCounts { net_rx: one, packets: one, dropped: one, squeezed: one, hardware, ..CpuCounts::default() };
    let quota = Some(Quota { cpus: 0.5, throttled_periods: 1, throttled_ns: Nanos(1) });
    let missing = Missing { what: "x".into(), why: "y".into(), help: Some("z".into()) };
    Counters {
        span_ns: Nanos::SECOND,
        threads: vec![thread],
        processes: Some(split),
        cpus: vec![cpu, CpuCounts { side: Side::Load, ..CpuCounts::default() }],
        network: [("TcpExt.ListenOverflows".to_owned(), -1)].into(),
        accept_queue: Some(AcceptQueue::default()),
        unread: Some(Unread::default()),
        link: Some(LinkBytes::default()),
        loopback_bytes: one,
        quota,
        load_quota: quota,
        cpu_pressure_ns: Some(Nanos(1)),
        missing: vec![missing],
        collectors: vec![CollectorCost { collector: "cpus".into(), cpu_ns: Nanos(1) }],
    }
}

fn mat(cell: &CellId, mat_per_s: f64) -> MatRecord {
    let mat = Mat {
        slo: slo(),
        limit_ns: Nanos(5_000_000),
        kind: MatKind::Regular,
        mat_per_s: Some(mat_per_s),
        ci95: Some([mat_per_s * 0.99, mat_per_s * 1.01]),
        trials: 9,
        latency_ns: quantiles(),
        utilisation: Some(0.9),
        valid: true,
        invalid_reasons: vec![Reason::new(Rule::Steal, "2 %")],
        caveats: Vec::new(),
    };
    MatRecord { schema: SCHEMA, cell: cell.clone(), rep: 0, mat }
}

/// Two targets over enough core counts for a peak.
fn run() -> RunData {
    let (mut cells, mut mats) = (Vec::new(), Vec::new());
    for (target, gamma) in [("a", 1000.0), ("b", 2000.0)] {
        for cores in [1usize, 2, 4, 8, 16, 24, 32, 48] {
            let n = cores as f64;
            let cell = Cell {
                id: CellId(format!("{target}-{cores}")),
                target: target.to_owned(),
                target_settings: BTreeMap::new(),
                workload: "plaintext".to_owned(),
                workload_settings: BTreeMap::new(),
                cores,
                placed: Placed { server: vec![Seat { cpu: CpuId(0), node: None }], ..Placed::default() },
                slos: vec![slo()],
                arrival: ArrivalKind::Poisson,
                connections: None,
                requests_per_connection: None,
                transport: Some(corecurve_core::TransportKind::IoUring),
                network: Some(Network::default()),
                caveats: Vec::new(),
                faults: Vec::new(),
                probe: None,
                mode: Mode::Search,
                control: false,
            };
            mats.push(mat(&cell.id, gamma * n / (1.0 + 0.02 * (n - 1.0) + 2e-3 * n * (n - 1.0))));
            cells.push(cell);
        }
    }
    let order: Vec<Turn> = (0..cells.len()).map(|cell| Turn { cell, rep: 0 }).collect();
    let second = Nanos::SECOND;
    let search = SearchSettings {
        width: 0.02,
        budget: second,
        window_min: second,
        window_max: second,
        warmup: None,
        warmup_max: second,
        reps: 1,
        rate_cap: None,
        confirmations: 1,
    };
    RunData {
        dir: "d".to_owned(),
        slug: "s".to_owned(),
        command: Vec::new(),
        started: None,
        version: "0".to_owned(),
        machine: Value::Null,
        plan: Plan {
            schema: SCHEMA,
            seed: 1,
            cells,
            order: order.clone(),
            search,
            expected: Nanos::ZERO,
            counters: Default::default(),
            checks: Default::default(),
            probes: Vec::new(),
        },
        trials: Vec::new(),
        capacities: Vec::new(),
        profiles: Vec::new(),
        mats,
        finished: order,
        notes: Vec::new(),
    }
}

#[test]
fn events_of_a_run_are_documented() {
    let run = Event::Run { schema: SCHEMA, dir: "d".to_owned(), turns: 3, finished: 0, seed: 1, expected_ns: Nanos(5) };
    documented("run", &serde_json::to_value(run).unwrap());
    let failed = Event::Failed { cell: CellId("a".to_owned()), rep: 0, why: "died".to_owned() };
    documented("failed", &serde_json::to_value(failed).unwrap());
    documented("notice", &serde_json::to_value(Event::Notice { text: "slow".to_owned() }).unwrap());
    documented("mat", &serde_json::to_value(Event::Mat(Box::new(mat(&CellId("a".to_owned()), 1.5)))).unwrap());
}

#[test]
fn capacities_are_documented() {
    let capacity = CapacityRecord {
        schema: SCHEMA,
        cell: CellId("00-nginx".to_owned()),
        null_server: "thread-per-core".to_owned(),
        workload: "plaintext".to_owned(),
        workload_settings: BTreeMap::new(),
        transport: corecurve_core::TransportKind::IoUring,
        requests_per_connection: None,
        load_cores: 1,
        server_cores: 4,
        depth: 32,
        rounds: 3,
        window_s: 0.5,
        g_max_per_s: 1e5,
        range_per_s: [9e4, 1.1e5],
        per_core_per_s: 1.2e5,
        load_busy: 0.9,
        server_busy: None,
        saturated: Saturated::Neither,
        valid: true,
        invalid_reasons: Vec::new(),
        caveats: vec!["1 % stolen".to_owned()],
    };
    for saturated in [Saturated::Generator, Saturated::Both, Saturated::NullServer, Saturated::Neither] {
        let event = Event::Capacity(Box::new(CapacityRecord { saturated, ..capacity.clone() }));
        let sample = serde_json::to_value(event).unwrap();
        let schema = schema("capacity");
        check(&sample, &schema, &schema, "capacity").unwrap();
    }
    documented("capacity", &serde_json::to_value(Event::Capacity(Box::new(capacity))).unwrap());
}

#[test]
fn trials_are_documented_with_and_without_the_sums_of_exports() {
    let mut event = serde_json::to_value(Event::Trial(Box::new(trial()))).unwrap();
    documented("trial", &event);
    event.as_object_mut().unwrap().insert("errors".to_owned(), json!(10));
    event.as_object_mut().unwrap().insert("unanswered".to_owned(), json!(0));
    documented("trial", &event);
    for dealing in [Dealing::Hash, Dealing::Race, Dealing::ReceivingCpu, Dealing::HandOff, Dealing::AnyWorker] {
        let told = WorkerShares { dealing, span_s: 1.0, workers: vec![WorkerShare::default()] };
        let record = TrialRecord { shares: Some(Shares::Told(told)), ..trial() };
        documented("trial", &serde_json::to_value(Event::Trial(Box::new(record))).unwrap());
    }
    let silent = TrialRecord { shares: Some(Shares::unknown("it does not tell")), ..trial() };
    documented("trial", &serde_json::to_value(Event::Trial(Box::new(silent))).unwrap());
    // What the schema lists beyond the record is exactly that.
    let schema = schema("trial");
    let listed = schema["properties"].as_object().unwrap().keys();
    assert_eq!(listed.filter(|key| event.get(key.as_str()).is_none()).count(), 0);
}

#[test]
fn fits_and_verdicts_are_documented() {
    let findings = analyse(&run());
    let curve = &findings.curves[0];
    assert!(curve.fits.fits.iter().any(|fit| fit.peak.is_some()), "the sample must show a peak");
    let mut event = serde_json::to_value(&curve.fits).unwrap();
    let own = json!({
        "event": "fit", "schema": SCHEMA, "target": "a", "label": "a", "workload": "plaintext",
        "placement": "compact", "slo": "p99<5ms"
    });
    event.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    documented("fit", &event);
    assert!(findings.comparisons[0].ratio.is_some());
    documented("verdict", &serde_json::to_value(&findings.comparisons[0]).unwrap());
}

#[test]
fn probes_are_documented() {
    let mut data = run();
    let changed = data.plan.cells[1].id.clone();
    data.plan.probes = [ProbeKind::Cpu, ProbeKind::Link]
        .map(|probe| ProbeStep {
            probe,
            change: "a change".to_owned(),
            cell: (probe == ProbeKind::Cpu).then(|| changed.clone()),
            amount: ProbeAmount::AddedCpu(Nanos::MICRO),
            not_run: (probe == ProbeKind::Link).then(|| "no link".to_owned()),
        })
        .into();
    let findings = analyse(&data);
    assert!(findings.elasticities[0].elasticity.is_some() && findings.elasticities[1].not_run.is_some());
    for row in &findings.elasticities {
        let mut event = serde_json::to_value(row).unwrap();
        let own = json!({ "event": "probe", "schema": SCHEMA, "target": "a", "workload": "plaintext", "cores": 1 });
        event.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        documented("probe", &event);
    }
    for row in PROBES {
        let known = schema("probe")["properties"]["probe"]["enum"].clone();
        assert!(known.as_array().unwrap().contains(&json!(row.name)), "{} is not documented", row.name);
    }
}

#[test]
fn a_wrong_type_is_noticed() {
    let schema = schema("trial");
    let good = serde_json::to_value(Event::Trial(Box::new(trial()))).unwrap();
    for (pointer, wrong) in [
        ("/cores", json!("one")),
        ("/latency_ns/p99", json!("fast")),
        ("/purpose", json!("fun")),
        ("/counts/sent", json!(-1)),
        ("/intervals/0/over", json!([0.5])),
        ("/schema", json!(2)),
    ] {
        let mut spoilt = good.clone();
        *spoilt.pointer_mut(pointer).unwrap() = wrong;
        assert!(check(&spoilt, &schema, &schema, "trial").is_err(), "{pointer}");
    }
}
