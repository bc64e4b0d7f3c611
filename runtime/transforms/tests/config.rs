//! The promises of a configuration, kept by each transform.

use rowtide_transforms::{ExtractNewRecordState, RegexRouter};

rowtide_testkit::conformance::config!(
    extract_new_record_state: ExtractNewRecordState,
    [],
    "golden/extract_new_record_state.json"
);

rowtide_testkit::conformance::config!(
    regex_router: RegexRouter,
    [("regex", "(.*)"), ("replacement", "$1")],
    "golden/regex_router.json"
);
