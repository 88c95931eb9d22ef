// English words so common that they say nothing about what a query looks for. They stay in the
// index and are dropped from queries, where they cost the most time and find the least.

enum EnglishStopWords {
  static func contains(_ word: String) -> Bool { words.contains(word) }

  private static let words = Set(
    """
    a about above after again against all also am an and any are as at be because been before being
    below between both but by can could d did do does doing down during each few for from further
    had has have having he her here hers herself him himself his how i if in into is it its itself
    just ll m me more most my myself no nor not now of off on once only or other our ours ourselves
    out over own re s same she should so some such t than that the their theirs them themselves then
    there these they this those through to too under until up us ve very was we were what when where
    which while who whom why will with would you your yours yourself yourselves
    """.split(whereSeparator: \.isWhitespace).map(String.init))
}
