"""Programs that nobody here wrote, moved at random instants: `catalog` lists them, `travel` moves them, `table` keeps
docs/programs.md, `environment` installs what they are made of."""
