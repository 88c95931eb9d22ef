// Perplexity against transformers in float32, and the windows that it is computed in.

import Foundation
import JSON
import Testing

@testable import Transformer

@Suite struct PerplexityTests {
  @Test func equalsThatOfTransformers() throws {
    for golden in try #require(try Fixtures.json("models/perplexity.json").array) {
      let name = try #require(golden["model"]?.string)
      let model = try Fixtures.load(name)
      let found = try model.perplexity(
        of: try Golden(name).tokens, context: try #require(golden["context"]?.int),
        stride: try #require(golden["stride"]?.int))
      let expected = try #require(golden["perplexity"]?.double)
      print("\(golden): \(found.value)")
      #expect(abs(found.value / expected - 1) < 1e-5)
      #expect(found.tokenCount == golden["tokens"]?.int)
    }
  }

  /// Rows of logits come in pieces; many pieces give what one gives.
  @Test func longWindowsAreComputedInPieces() throws {
    let model = try Fixtures.load("llama-bias", .int4)
    let tokens = try Golden("llama-bias").tokens
    let text = tokens + tokens.reversed() + tokens
    let whole = try model.perplexity(of: text, context: 500, stride: 1)
    #expect(whole.tokenCount == text.count - 1)
    let logits = try model.logits(of: Array(text.dropLast()))
    let vocabulary = model.configuration.vocabularySize
    let expected = text.dropFirst().enumerated().reduce(0.0) { sum, target in
      let row = logits[target.offset * vocabulary..<(target.offset + 1) * vocabulary]
      let peak = Double(row.max() ?? 0)
      let total = row.reduce(0.0) { $0 + exp(Double($1) - peak) }
      return sum + log(total) + peak - Double(row[row.startIndex + Int(target.element)])
    }
    #expect(abs(whole.negativeLogLikelihood / expected - 1) < 1e-5)
  }

  @Test func windowsCountEachTokenOnce() {
    for (count, context, stride) in [(10, 4, 2), (10, 4, 3), (11, 5, 1), (3, 8, 4), (9, 2, 1)] {
      let windows = PerplexityWindow.all(count: count, context: context, stride: stride)
      #expect(windows.flatMap { Array($0.targets) } == Array(1..<count))
      for window in windows {
        #expect(window.tokens.count <= context)
        #expect(window.tokens.lowerBound < window.targets.lowerBound)
        #expect(window.tokens.upperBound == window.targets.upperBound)
      }
      // All but the first see this much at least.
      for window in windows.dropFirst() {
        #expect(window.targets.lowerBound - window.tokens.lowerBound >= context - stride)
      }
    }
    #expect(PerplexityWindow.all(count: 1, context: 4, stride: 2).isEmpty)
  }
}
