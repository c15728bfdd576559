//! Who may do what: rules, predicates, decisions.
