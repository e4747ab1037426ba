use super::*;

fn chain(name: &str, policy: i32) -> Vec<u8> {
    let mut out = vec![0; CHAIN];
    out[4..4 + name.len()].copy_from_slice(name.as_bytes());
    out[40..44].copy_from_slice(&policy.to_ne_bytes());
    out
}

fn part(name: &str, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; EXTENSION];
    out[..name.len()].copy_from_slice(name.as_bytes());
    out[32..36].copy_from_slice(&(data.len() as u32).to_ne_bytes());
    out.extend(data);
    out
}

fn rule(matches: &[Vec<u8>], target: &[u8]) -> Vec<u8> {
    let mut out = vec![0; ENTRY];
    out[0] = 1 | 8;
    out[4] = 8;
    out[8..10].copy_from_slice(&[0x08, 0x06]);
    out[10..15].copy_from_slice(b"eth\x01\0");
    out[74..80].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    out[80..86].fill(0xff);
    matches.iter().for_each(|m| out.extend(m));
    let at = out.len() as u32;
    out.extend(target);
    let next = out.len() as u32;
    for (field, value) in [(100, at), (104, at), (108, next)] {
        out[field..field + 4].copy_from_slice(&value.to_ne_bytes());
    }
    out
}

fn standard(verdict: i32) -> Vec<u8> {
    part(STANDARD, &[verdict.to_ne_bytes(), [0; 4]].concat())
}

fn table() -> (Vec<u8>, u32, u32) {
    let mut blob = chain("FORWARD", -2);
    let first = blob.len() as u32;
    blob.extend(rule(&[part("ip", &[0; 8])], &standard(-2)));
    let second = blob.len();
    let size = rule(&[], &standard(0)).len();
    blob.extend(rule(&[], &standard((second + size) as i32)));
    let sub = blob.len() as u32;
    blob.extend(chain("sub", -4));
    blob.extend(rule(&[], &part("arpreply", &[0; 16])));
    (blob, first, sub)
}

#[test]
fn chains_rules_and_policies() {
    let (blob, first, sub) = table();
    let table = parse("filter", 3, &blob).expect("well-formed");
    assert_eq!((table.entries, table.size as usize), (3, blob.len()));
    let (chain, number, rule) = table.at(first).expect("a rule");
    assert_eq!((chain.name.as_str(), chain.built_in, number), ("FORWARD", true, 1));
    assert_eq!(rule.target, Target::Drop);
    let jump = Target::Chain { name: "sub".into(), goto: false };
    assert_eq!(chain.rules[1].target, jump);
    let (chain, number, rule) = table.at(sub).expect("a policy");
    assert_eq!((chain.name.as_str(), number, &rule.target), ("sub", 0, &Target::Return));
    assert_eq!(policy("FORWARD", &Target::Drop), "-P FORWARD DROP");
}

#[test]
fn rules_as_lines() {
    let table = parse("filter", 3, &table().0).expect("well-formed");
    let [forward, sub] = &table.chains[..] else { panic!("not two chains") };
    let head = "-p 0x0806 -i eth+ -s ! 02:00:00:00:00:01/ff:ff:ff:ff:ff:ff";
    let shown = |chain: &Chain, n: usize| line(&chain.name, &chain.rules[n]);
    assert_eq!(shown(forward, 0), (format!("-A FORWARD {head} --ip […] -j DROP"), false));
    assert_eq!(shown(forward, 1), (format!("-A FORWARD {head} -j sub"), true));
    assert_eq!(shown(sub, 0), (format!("-A sub {head} -j arpreply […]"), false));
}

#[test]
fn devices_and_lengths_as_words() {
    // struct ebt_entry: in, logical_in, out, logical_out
    let mut bytes = rule(&[], &standard(-2));
    for (at, name) in [(10, "in"), (26, "logical-in"), (42, "out"), (58, "logical-out")] {
        bytes[at..at + 16].fill(0);
        bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
    }
    // EBT_802_3, and without addresses; EBT_IOUT
    (bytes[0], bytes[4]) = (1 | 4, 4);
    let (rule, ..) = entry(&bytes, 0).expect("well-formed");
    let devices = "-i in --logical-in logical-in -o ! out --logical-out logical-out";
    assert_eq!(line("FORWARD", &rule), (format!("-A FORWARD -p LENGTH {devices} -j DROP"), true));
}

#[test]
fn no_block_makes_it_fail() {
    let blob = table().0;
    for end in 0..blob.len() {
        let _ = parse("filter", 3, &blob[..end]);
    }
    for at in 0..blob.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut blob = blob.clone();
            blob[at] = value;
            let _ = parse("filter", 3, &blob);
        }
    }
}
