"""What a run itself costs: measured (:mod:`.usage`), shown (:mod:`.shown`) and held to a budget (:mod:`.budget`), each time
that :mod:`.watch` looks. docs/overhead.md says what the figures hold and what they don't."""
