// Where programming languages begin their definitions and blocks, coarsest first, as LangChain's
// RecursiveCharacterTextSplitter.from_language cuts them: a separator stays at the start of what it
// begins. Languages that it doesn't know, or for which it needs regular expressions, are cut at
// empty lines, lines and words.

enum CodeSeparators {
  static let text: [[Unicode.Scalar]] = separators(of: [])

  /// - Parameter language: as extractors name it; nil for any text
  static func of(language: String?) -> [[Unicode.Scalar]] {
    language.flatMap { all[$0] } ?? text
  }

  /// Names of the languages with separators of their own.
  static var languages: [String] { all.keys.sorted() }

  private static let all: [String: [[Unicode.Scalar]]] = words.mapValues { words in
    separators(of: words.split(separator: " ").map { $0.hasSuffix("(") ? "\n\($0)" : "\n\($0) " })
  }

  private static func separators(of starts: [String]) -> [[Unicode.Scalar]] {
    (starts + ["\n\n", "\n", " ", ""]).map { Array($0.unicodeScalars) }
  }

  /// What a line begins with, in the order of LangChain's lists.
  private static let words: [String: String] = [
    "c": cFamily,
    "cpp": cFamily,
    "csharp": """
    interface enum delegate event class abstract public protected private static return if continue \
    for foreach while switch break case else try throw finally catch
    """,
    "elixir": "def defp defmodule defprotocol defmacro defmacrop if unless case cond with for do",
    "go": "func var const type if for switch case",
    "java": "class public protected private static if for while switch case",
    "javascript": "function const let var class if for while switch case default",
    "kotlin": """
    class public protected private internal companion fun val var if for while when else
    """,
    "lua": "local function if for while repeat",
    "php": "function class if foreach while do switch case",
    "powershell": "function param if foreach for while switch class try catch finally",
    "proto": "message service enum option import syntax",
    "python": "class def \tdef",
    "r": """
    function setClass( setMethod( setGeneric( if else for while repeat library( require(
    """,
    "ruby": "def class if unless while for do begin rescue",
    "rust": "fn const let if while for loop match",
    "scala": "class object def val var if for while match case",
    "swift": "func class struct enum if for while do switch case",
    "typescript": """
    enum interface namespace type class function const let var if for while switch case default
    """,
  ]

  private static let cFamily = "class void int float double if for while switch case"
}
