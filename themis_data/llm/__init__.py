"""Who answers prompts, and the templates of what is asked."""
