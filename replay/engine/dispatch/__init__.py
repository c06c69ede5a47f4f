"""Steps on their way: sessions read ahead, attempts composed and sent, and what is done beside that."""
