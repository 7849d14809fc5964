import type { Metadata } from "next"
import Link from "next/link"
import { notFound } from "next/navigation"
import { connection } from "next/server"

import { findProduct } from "@/lib/medusa"
import { cheapestPrice, formatPrice } from "@/lib/price"

type Props = PageProps<"/products/[handle]">

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  await connection()
  const product = await findProduct((await params).handle)
  return product ? { title: product.title, description: product.subtitle ?? undefined } : { title: "Not found" }
}

export default async function ProductPage({ params }: Props) {
  await connection()
  const product = await findProduct((await params).handle)
  if (!product) {
    notFound()
  }
  const price = cheapestPrice(product)
  const variants = product.variants ?? []
  const picture = product.images?.[0]?.url ?? product.thumbnail
  return (
    <>
      <nav className="breadcrumb">
        <Link href="/">Products</Link> / {product.title}
      </nav>
      <article className="product">
        <div className="picture">{picture && <img src={picture} alt={product.title} />}</div>
        <div>
          <h1>{product.title}</h1>
          {product.subtitle && <p className="subtitle">{product.subtitle}</p>}
          <div className="price">
            {variants.length > 1 && <small>from </small>}
            {price ? formatPrice(price) : "On request"}
            {price && <small> {price.is_calculated_price_tax_inclusive ? "incl. VAT" : "excl. VAT"}</small>}
          </div>
          <p>{product.description}</p>
          <dl>
            {product.material && (
              <div>
                <dt>Material</dt>
                <dd>{product.material}</dd>
              </div>
            )}
            {product.weight && (
              <div>
                <dt>Weight</dt>
                <dd>{(product.weight / 1000).toFixed(1)} kg</dd>
              </div>
            )}
          </dl>
          <table>
            <thead>
              <tr>
                <th>Version</th>
                <th>Order number</th>
                <th>Price</th>
              </tr>
            </thead>
            <tbody>
              {variants.map(({ id, title, sku, calculated_price }) => (
                <tr key={id}>
                  <td>{title}</td>
                  <td>{sku ?? "–"}</td>
                  <td>{calculated_price ? formatPrice(calculated_price) : "On request"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </article>
    </>
  )
}
