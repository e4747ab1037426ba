use super::*;
use proptest::prelude::*;

/// `nft -a list ruleset` of nftables 1.1.3 on Linux 6.12, shortened: every
/// kind of object, comments with handles and a line end, a log prefix with a
/// quote as iptables-nft makes it, a wrapped map, a wrapped rule.
const RULESET: &str = include_str!("../../tests/fixtures/ruleset.txt");

fn ruleset() -> Listing {
    parse(RULESET, |_, _, handle| handle == 31)
}

fn text(listing: &Listing, table: usize, handle: u64) -> &str {
    &listing.tables[table].rules.iter().find(|rule| rule.handle == handle).unwrap().text
}

#[test]
fn finds_every_table_with_its_handle() {
    let listing = ruleset();
    let tables: Vec<_> =
        listing.tables.iter().map(|t| (t.family, t.name.as_str(), t.handle)).collect();
    assert_eq!(
        tables,
        [
            (Family::Inet, "t", Some(17)),
            (Family::Ip6, "e", Some(18)),
            (Family::Ip, "filter", Some(19)),
            (Family::Netdev, "n", Some(20)),
        ]
    );
}

#[test]
fn a_rule_is_the_line_without_its_handle() {
    let listing = ruleset();
    let chains: Vec<_> =
        listing.tables[0].rules.iter().map(|r| (r.chain.as_str(), r.handle)).collect();
    let expected = [10, 26, 11, 12, 15, 18, 20, 22, 23, 24];
    assert_eq!(chains.iter().map(|(_, handle)| *handle).collect::<Vec<_>>(), expected);
    assert_eq!(chains[1].0, "x");
    assert_eq!(chains[2].0, "inp");
    assert_eq!(text(&listing, 0, 11), "ip saddr @s counter packets 0 bytes 0 accept");
    assert_eq!(
        text(&listing, 0, 15),
        "tcp dport vmap { 22 : accept, 80 : drop, 100-200 : jump x }"
    );
    assert_eq!(text(&listing, 1, 2), "reject");
    assert_eq!(text(&listing, 3, 3), "fwd to \"lo\"");
}

#[test]
fn a_handle_in_a_comment_is_part_of_the_comment() {
    let listing = ruleset();
    assert_eq!(text(&listing, 0, 10), "drop comment \"say # handle 4\"");
    assert_eq!(text(&listing, 0, 26), "accept comment \"two # handle 5\n\t\tdrop # handle 6\"");
    assert!(listing.tables[0].rules.iter().all(|rule| ![4, 5, 6].contains(&rule.handle)));
}

#[test]
fn an_open_quote_ends_where_the_handle_is_known() {
    let listing = ruleset();
    assert_eq!(text(&listing, 2, 31), "counter packets 0 bytes 0 log prefix \"a\"b # handle 3\"");
    assert_eq!(text(&listing, 2, 32), "counter packets 0 bytes 0 drop");
}

#[test]
fn a_wrapped_rule_becomes_one_line() {
    assert_eq!(text(&ruleset(), 0, 24), "tcp dport { 1, 2, 3, 4 } drop");
}

#[test]
fn verdict_maps_keep_their_elements() {
    let maps = &ruleset().tables[0].verdict_maps;
    assert_eq!(maps[0].name, "vm");
    assert_eq!(maps[0].elements, ["1000 : drop", "2000 : jump x"]);
    assert_eq!(maps[1].name, "iv");
    assert_eq!(
        maps[1].elements,
        ["10.0.0.0/24 : jump x", "10.1.0.0-10.1.0.77 comment \"hello, # handle 3\" : drop"]
    );
    assert_eq!(maps[2].elements, [""; 0]);
    assert_eq!(maps.len(), 3);
}

#[test]
fn maps_within_a_rule_are_counted_in_order() {
    let rule = "log prefix \"vmap { 9 : x }\" tcp dport vmap { 1 : drop, 2 : accept } \
                udp dport vmap { 3-4 : jump c }";
    assert_eq!(elements_in_rule(rule, 0).unwrap(), ["1 : drop", "2 : accept"]);
    assert_eq!(elements_in_rule(rule, 1).unwrap(), ["3-4 : jump c"]);
    assert_eq!(elements_in_rule(rule, 2), None);
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "[ -~\t\n\"{}#]{0,400}") {
        parse(&text, |_, _, _| true);
        elements_in_rule(&text, 0);
    }

    #[test]
    fn a_cut_or_mutated_listing_is_survived(
        at in 0..RULESET.len(),
        end in 0..RULESET.len(),
        insert in "[\t\n\"{} a-z#0-9]{0,20}",
    ) {
        let text = format!("{}{insert}{}", &RULESET[..at], &RULESET[end..]);
        parse(&text, |_, _, _| false);
    }

    #[test]
    fn any_comment_without_quotes_comes_through(comment in "[ -!#-~\n\t]{0,60}") {
        let text = format!(
            "table inet t {{ # handle 1\n\tchain c {{ # handle 1\n\t\tdrop comment \"{comment}\" \
             # handle 7\n\t\taccept # handle 8\n\t}}\n}}\n"
        );
        let listing = parse(&text, |_, _, _| false);
        let rules = &listing.tables[0].rules;
        prop_assert_eq!(rules.len(), 2);
        prop_assert_eq!(&rules[0].text, &format!("drop comment \"{comment}\""));
        prop_assert_eq!(rules[1].handle, 8);
    }
}
