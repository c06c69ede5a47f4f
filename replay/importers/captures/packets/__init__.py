"""HTTP found in captured packets: written packets, TCP streams, and the requests and answers in them."""
