"""The command line: one file a subcommand. Heavy libraries are imported only by the command that needs them."""
