"""Attribution methods: which pixels an answer rests on."""
