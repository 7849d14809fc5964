import Link from "next/link"
import { connection } from "next/server"

import { listProducts, type Product } from "@/lib/medusa"
import { cheapestPrice, formatPrice } from "@/lib/price"

function ProductCard({ product }: { product: Product }) {
  const price = cheapestPrice(product)
  return (
    <Link href={`/products/${product.handle}`} className="card">
      <div className="picture">{product.thumbnail && <img src={product.thumbnail} alt={product.title} />}</div>
      <div className="text">
        <h3>{product.title}</h3>
        {product.subtitle && <p>{product.subtitle}</p>}
        <div className="price">
          {(product.variants?.length ?? 0) > 1 && <small>from </small>}
          {price ? formatPrice(price) : "On request"}
        </div>
      </div>
    </Link>
  )
}

export default async function HomePage({ searchParams }: PageProps<"/">) {
  await connection() // never rendered at build: the shop's contents are the running backend's
  const { q } = await searchParams
  const search = typeof q === "string" ? q.trim() : ""
  const products = await listProducts(search)
  return (
    <>
      {!search && (
        <section className="hero">
          <div>
            <p className="eyebrow">Dosing equipment</p>
            <h1>Every microlitre where it belongs.</h1>
            <p>
              Pumps and sterile consumables for clinics, pharmacies and laboratories: calibrated, documented and in stock in
              Europe.
            </p>
            <a href="#products" className="button">
              See the products
            </a>
          </div>
          <ul>
            <li>
              <strong>± 0.5 %</strong> flow accuracy, calibrated ex works
            </li>
            <li>
              <strong>48 h</strong> delivery from the European warehouse
            </li>
            <li>
              <strong>10 years</strong> of spare parts and service
            </li>
          </ul>
        </section>
      )}
      <h2 id="products">{search ? `Results for “${search}”` : "Products"}</h2>
      {products.length ? (
        <div className="grid">
          {products.map((product) => (
            <ProductCard key={product.id} product={product} />
          ))}
        </div>
      ) : (
        <p className="empty">{search ? "Nothing found. Try another word." : "No products yet."}</p>
      )}
    </>
  )
}
