"""What each endpoint has, as far as it has told: kept, merged into the page's lists, asked before anything is paid."""
